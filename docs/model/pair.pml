/*
 * Two nodes of a pair, one coordinator, one sink with a fence, one snapshot store; inputs in implicit order.
 *
 * Whatever a node does is one step of its own, so that it may be paused before any of them. Requests to the sink that
 * publish travel: they may be carried out late, or their answers be lost. Faults are bounded: crashes, sessions that
 * expire while their process lives, and lost answers. README.md says which step is which function.
 *
 * Checked: what the sink takes is the one sequence of outputs without a gap, a repetition or a change of places (S3); no
 * epoch has two holders (S1); nothing is published by an epoch older than one that has verified its opening (S2); what
 * is read back is never behind what a queue has let go of (S5, S9); and in the end everything is published (L1): no
 * state is a dead end, and no cycle leads nowhere.
 */

#ifndef INPUTS
#define INPUTS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef EXPIRIES
#define EXPIRIES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
/* Inputs whose outputs fit into a queue. */
#ifndef ROOM
#define ROOM INPUTS
#endif

/* FENCE */
#define KAFKA 0    /* whoever opened last may publish, whatever its epoch */
#define POSTGRES 1 /* epochs are compared, and openings, and where a batch starts */
#ifndef FENCE
#define FENCE KAFKA
#endif

/* MISTAKE: 0 is none */
#define READS_BACK_BEFORE_OPEN 1
#define TRIMS_BY_WHAT_IS_NOT_DURABLE 2
#define SNAPSHOT_WITHOUT_QUEUE 3
#define RESTART_WITHOUT_SUPPRESSING 4
#define SPLITS_AN_INPUT 5
#define GOES_ON_FROM_MEMORY 6
#define UNKNOWN_CLAIM_IS_LOST 7
#define VERIFIES_A_CACHED_VIEW 8
#define CLAIMS_GATED_ON_LAG 9
#define EPOCH_BY_PLAIN_SELECT 10
#define NO_COUNTER 11
#define NO_VERIFICATION 12
#define NO_FENCE 13
#ifndef MISTAKE
#define MISTAKE 0
#endif

#define NODES 2
#define NOBODY 2
#define OTHER(n) (1 - (n))
/* Every input has two outputs. */
#define OUTPUTS(inputs) (2 * (inputs))

mtype = { down, joining, passive, claiming, unknown, asking, opening, verifying, reading, live, waiting };
mtype = { nothing, published, refused };

/* The coordinator. */
byte epoch = 0;
byte holder = NOBODY;
bool isHolderGone = false; /* the process that claimed is, though its entry may still be there */

/* The sink: outputs that it has taken, and, in the same transaction, the position that they reach and its epoch. */
byte taken = 0;
byte stored = 0;
byte storedEpoch = 0;
byte fenceEpoch = 0;
/* For S2 only: the newest epoch that has verified its opening. */
byte verified = 0;

/* The newest revision in the store; the first is genesis. */
byte revisionHead = 0;
byte revisionEnd = 0;
byte revisionEpoch = 0;

/* Nodes. */
mtype phase[NODES];
byte held[NODES];     /* epoch */
byte expected[NODES]; /* epoch, when it decided to claim */
bool isNewest[NODES]; /* its opening is the newest of all */
byte head[NODES];     /* of its queue: everything below is published */
byte end[NODES];      /* next input to be applied */
bool half[NODES];     /* SPLITS_AN_INPUT: the first output of the head's input is out already */
byte early[NODES];    /* READS_BACK_BEFORE_OPEN */
byte viewHolder[NODES];
byte viewEpoch[NODES];

/* One request per node, on its way, and its answer. */
typedef Request { bool isThere; bool isChecked; byte epoch; bool isNewest; byte from; byte to; bool fromHalf; bool toHalf };
Request request[NODES];
mtype answer[NODES];

byte crashes = 0;
byte expiries = 0;
byte losses = 0;

#define isDone (stored == INPUTS)
#define isAlive(n) (phase[n] != down)
#define hasState(n) (phase[n] != down && phase[n] != joining)
#define isMine(n) (holder == n && !isHolderGone)
#define isVacant (holder == NOBODY || isHolderGone)
#define isCaughtUp(n) (end[n] >= INPUTS)
#define mayLose (losses < LOSSES)

/* Nothing is kept by the process: it is another one when it comes back. */
inline forget(n) {
  held[n] = 0; expected[n] = 0; isNewest[n] = false; head[n] = 0; end[n] = 0; half[n] = false; early[n] = 0;
  viewHolder[n] = NOBODY; viewEpoch[n] = 0; answer[n] = nothing
}

inline restore(n, atHead, atEnd) {
  end[n] = atEnd;
  if
  :: MISTAKE == SNAPSHOT_WITHOUT_QUEUE -> head[n] = atEnd
  :: else -> head[n] = atHead
  fi
}

inline stepDown(n) { held[n] = 0; isNewest[n] = false; phase[n] = passive }

/* Whoever opened before is fenced, requests on their way included. */
inline open(n) {
  fenceEpoch = held[n];
  if
  :: MISTAKE == NO_COUNTER -> skip
  :: MISTAKE != NO_COUNTER ->
     isNewest[OTHER(n)] = false; request[0].isNewest = false; request[1].isNewest = false
  fi;
  isNewest[n] = true
}

/* Has another node opened meanwhile, nothing may go on from memory: all steps again, and first of all the question whose epoch it is. */
inline openAgain(n) {
  half[n] = false;
  if
  :: MISTAKE == GOES_ON_FROM_MEMORY -> open(n); phase[n] = live
  :: MISTAKE != GOES_ON_FROM_MEMORY -> phase[n] = asking
  fi
}

inline confirm(n) {
  if
  :: held[n] > verified -> verified = held[n]
  :: held[n] <= verified -> skip
  fi
}

inline clear(n) {
  request[n].isChecked = false; request[n].epoch = 0; request[n].isNewest = false;
  request[n].from = 0; request[n].to = 0; request[n].fromHalf = false; request[n].toHalf = false
}

proctype Node(byte me) {
  byte to;
  do
  :: atomic { isDone -> break }

  /* A process begins, and joins. */
  :: atomic { phase[me] == down && !isDone -> phase[me] = joining }

  /* State: a snapshot of the other node where it has any, the newest revision otherwise. */
  :: atomic { phase[me] == joining && hasState(OTHER(me)) -> restore(me, head[OTHER(me)], end[OTHER(me)]); phase[me] = passive }
  :: atomic { phase[me] == joining && !hasState(OTHER(me)) -> restore(me, revisionHead, revisionEnd); phase[me] = passive }

  /* The input: applied on both nodes, as far as the queue has room. */
  :: atomic { hasState(me) && end[me] < INPUTS && end[me] < head[me] + ROOM -> end[me]++ }
  :: atomic { hasState(me) && end[me] < head[me] -> end[me]++ }

  /* A passive lets go of what is durably published. */
  :: atomic { phase[me] == passive && head[me] < stored -> head[me] = stored }

  /* The view that it has been told of; only looked at by a mistake. */
  :: atomic { MISTAKE == VERIFIES_A_CACHED_VIEW && isAlive(me) && viewEpoch[me] < epoch -> viewEpoch[me] = epoch; viewHolder[me] = holder }

  /* Claiming. */
  :: atomic { phase[me] == passive && !isMine(me) && isVacant && (MISTAKE != CLAIMS_GATED_ON_LAG || isCaughtUp(me)) ->
       expected[me] = epoch; phase[me] = claiming }
  :: atomic { phase[me] == claiming && epoch == expected[me] ->
       epoch++; expected[me] = 0; holder = me; isHolderGone = false;
       if
       /* S1 */
       :: assert(held[OTHER(me)] != epoch); held[me] = epoch; phase[me] = opening; viewEpoch[me] = epoch; viewHolder[me] = me
       :: mayLose -> losses++; phase[me] = unknown
       fi }
  :: atomic { phase[me] == claiming && epoch != expected[me] -> expected[me] = 0; phase[me] = passive }
  :: atomic { phase[me] == unknown ->
       if
       :: MISTAKE != UNKNOWN_CLAIM_IS_LOST && isMine(me) -> held[me] = epoch; phase[me] = opening
       :: MISTAKE == UNKNOWN_CLAIM_IS_LOST || !isMine(me) -> phase[me] = passive
       fi }

  /* Step 2: open. What was open before is fenced. */
  :: atomic { MISTAKE == READS_BACK_BEFORE_OPEN && phase[me] == opening -> early[me] = stored }
  :: atomic { phase[me] == opening ->
       if
       :: FENCE == POSTGRES && fenceEpoch > held[me] -> stepDown(me)
       :: FENCE == KAFKA || fenceEpoch <= held[me] ->
          open(me);
          if
          :: MISTAKE != NO_VERIFICATION -> phase[me] = verifying
          :: MISTAKE == NO_VERIFICATION -> confirm(me); phase[me] = reading
          fi
       fi }
  :: atomic { phase[me] == opening && mayLose && (FENCE == KAFKA || fenceEpoch <= held[me]) ->
       losses++; open(me); phase[me] = asking }

  /* Step 3, and the question before opening again: is the epoch ours still? By the coordinator's word, not by a view. */
  :: atomic { phase[me] == asking && MISTAKE != VERIFIES_A_CACHED_VIEW ->
       if
       :: isMine(me) && epoch == held[me] -> phase[me] = opening
       :: !(isMine(me) && epoch == held[me]) -> stepDown(me)
       fi }
  :: atomic { phase[me] == verifying && MISTAKE != VERIFIES_A_CACHED_VIEW ->
       if
       :: isMine(me) && epoch == held[me] -> confirm(me); phase[me] = reading
       :: !(isMine(me) && epoch == held[me]) -> stepDown(me)
       fi }
  :: atomic { (phase[me] == asking || phase[me] == verifying) && MISTAKE == VERIFIES_A_CACHED_VIEW ->
       if
       :: viewHolder[me] == me && phase[me] == asking -> phase[me] = opening
       :: viewHolder[me] == me && phase[me] == verifying -> confirm(me); phase[me] = reading
       :: viewHolder[me] != me -> stepDown(me)
       fi }

  /* Steps 4 and 5: read back, trim, suppress. */
  :: atomic { phase[me] == reading ->
       if
       :: storedEpoch > held[me] -> stepDown(me)
       :: storedEpoch <= held[me] ->
          if
          :: MISTAKE == READS_BACK_BEFORE_OPEN -> head[me] = early[me]
          :: MISTAKE == RESTART_WITHOUT_SUPPRESSING -> skip
          :: MISTAKE != READS_BACK_BEFORE_OPEN && MISTAKE != RESTART_WITHOUT_SUPPRESSING ->
             assert(MISTAKE == SNAPSHOT_WITHOUT_QUEUE || stored >= head[me]);
             if
             :: stored > head[me] -> head[me] = stored
             :: stored <= head[me] -> skip
             fi
          fi;
          phase[me] = live
       fi }

  /* Steps 6 and 7: the queue, from its head, whole inputs. One request at a time. */
  :: atomic { phase[me] == live && head[me] < end[me] && !request[me].isThere ->
       to = end[me];
       if
       :: to = end[me]
       :: head[me] + 1 < end[me] -> to = head[me] + 1
       fi;
       request[me].isThere = true;
       request[me].isChecked = false;
       request[me].epoch = held[me];
       request[me].isNewest = isNewest[me];
       request[me].from = head[me];
       request[me].to = to;
       request[me].fromHalf = half[me];
       request[me].toHalf = false;
       if
       :: MISTAKE == SPLITS_AN_INPUT && !half[me] -> request[me].to = head[me]; request[me].toHalf = true
       :: skip
       fi;
       if
       :: MISTAKE == TRIMS_BY_WHAT_IS_NOT_DURABLE && phase[OTHER(me)] == passive && head[OTHER(me)] < to -> head[OTHER(me)] = to
       :: MISTAKE != TRIMS_BY_WHAT_IS_NOT_DURABLE || phase[OTHER(me)] != passive || head[OTHER(me)] >= to -> skip
       fi;
       answer[me] = nothing;
       phase[me] = waiting }
  :: atomic { phase[me] == waiting && answer[me] == published ->
       head[me] = request[me].to; half[me] = request[me].toHalf; clear(me); answer[me] = nothing; phase[me] = live }
  :: atomic { phase[me] == waiting && answer[me] == refused -> clear(me); answer[me] = nothing; openAgain(me) }
  /* No answer in time, or none any more: the outcome is unknown. */
  :: atomic { phase[me] == waiting && answer[me] == nothing && (!request[me].isThere || mayLose) ->
       if
       :: request[me].isThere -> losses++
       :: !request[me].isThere -> skip
       fi;
       openAgain(me) }

  /* Told that another node has taken over. */
  :: atomic { (phase[me] == live || phase[me] == reading) && epoch > held[me] && holder == OTHER(me) -> stepDown(me) }

  /* The active keeps revisions. */
  :: atomic { phase[me] == live && held[me] >= revisionEpoch && (revisionEnd != end[me] || revisionHead != head[me]) ->
       revisionEpoch = held[me]; revisionHead = head[me]; revisionEnd = end[me] }
  od
}

/* What the sink does with a request. The fence is looked at in the transaction that publishes. */
#define isFenced(n) \
  (MISTAKE != NO_FENCE && \
   ((FENCE == KAFKA && !request[n].isNewest) || \
    (FENCE == POSTGRES && (request[n].epoch != fenceEpoch || \
      (MISTAKE != NO_COUNTER && (!request[n].isNewest || request[n].from != stored))))))

inline take(n) {
  /* S2, S3 */
  assert(request[n].epoch >= verified);
  assert(taken == OUTPUTS(request[n].from) + request[n].fromHalf);
  taken = OUTPUTS(request[n].to) + request[n].toHalf;
  stored = request[n].to;
  storedEpoch = request[n].epoch
}

inline reply(n, text) {
  request[n].isThere = false;
  if
  :: phase[n] == waiting && answer[n] == nothing ->
     if
     :: answer[n] = text
     :: mayLose -> losses++; clear(n)
     fi
  :: !(phase[n] == waiting && answer[n] == nothing) -> clear(n)
  fi
}

proctype Network() {
  byte n = 0;
  do
  :: atomic { isDone -> break }
  :: atomic { request[0].isThere || request[1].isThere ->
       if
       :: request[0].isThere -> n = 0
       :: request[1].isThere -> n = 1
       fi;
       if
       :: MISTAKE == EPOCH_BY_PLAIN_SELECT && !request[n].isChecked && !isFenced(n) -> request[n].isChecked = true
       :: MISTAKE == EPOCH_BY_PLAIN_SELECT && request[n].isChecked -> take(n); reply(n, published)
       :: MISTAKE != EPOCH_BY_PLAIN_SELECT && !isFenced(n) -> take(n); reply(n, published)
       :: !request[n].isChecked && isFenced(n) -> reply(n, refused)
       fi }
  od
}

/* What goes wrong. */
proctype World() {
  byte n;
  do
  :: atomic { isDone -> break }
  :: atomic { crashes < CRASHES && !isDone && (isAlive(0) || isAlive(1)) ->
       crashes++;
       if
       :: isAlive(0) -> n = 0
       :: isAlive(1) -> n = 1
       fi;
       forget(n); phase[n] = down;
       if
       :: holder == n -> isHolderGone = true
       :: holder != n -> skip
       fi }
  :: atomic { expiries < EXPIRIES && holder != NOBODY && !isHolderGone ->
       expiries++; holder = NOBODY }
  /* The session of a process that is gone ends by itself. */
  :: atomic { holder != NOBODY && isHolderGone -> holder = NOBODY; isHolderGone = false }
  :: crashes == CRASHES && expiries == EXPIRIES && (holder == NOBODY || !isHolderGone) -> isDone
  od
}

init {
  atomic {
    phase[0] = down; phase[1] = down;
    answer[0] = nothing; answer[1] = nothing;
    viewHolder[0] = NOBODY; viewHolder[1] = NOBODY;
    run Node(0); run Node(1); run Network(); run World()
  }
}

/* L1, where the steps of nobody are put off for ever. */
ltl everything_is_published { <> isDone }
