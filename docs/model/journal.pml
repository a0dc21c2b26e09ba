/*
 * Order by journal, which is still to come: an app of two sources and two sinks on two nodes. The active chooses which
 * source's record is next; the lead publisher commits the choice together with the outputs that depend on it, the second
 * publisher only goes as far as that; a passive applies what is committed.
 *
 * How an epoch is claimed and verified is the business of pair.pml: here it is one step, and both publishers' openings
 * are one each, in any order and with pauses. Transactions are one step, refused once another has opened.
 *
 * Checked: the outputs of both sinks follow the committed journal, without a gap or a repetition (S3); no node has
 * applied anything else (S7); and in the end everything is published (L1).
 */

#ifndef CRASHES
#define CRASHES 2
#endif

/* MISTAKE: 0 is none */
#define SNAPSHOT_AHEAD_OF_JOURNAL 1
#define RUNS_AHEAD_OF_LEAD 2
#define CHOOSES_BEFORE_JOURNAL_IS_READ 3
#define KEEPS_WHAT_WAS_NOT_COMMITTED 4
#define REVISION_AHEAD_OF_JOURNAL 5
#ifndef MISTAKE
#define MISTAKE 0
#endif

#define NODES 2
#define NOBODY 2
#define OTHER(n) (1 - (n))
/* Two records of each source. */
#define EACH 2
#define ENTRIES 4

mtype = { down, joining, passive, opening, reading, live };

/* A list of choices: bit i is the source of entry i. */
#define at(list, i) (((list) >> (i)) & 1)
#define first(list, count) ((list) & ((1 << (count)) - 1))

byte journal = 0;
byte committed = 0; /* its length */
byte second = 0;    /* what the second sink has taken, and of which choices */
byte secondOf = 0;
byte leadOpenedBy = NOBODY;
byte secondOpenedBy = NOBODY;
byte holder = NOBODY;

/* The newest revision: choices applied and how many. */
byte revision = 0;
byte revisionOf = 0;

mtype phase[NODES];
byte applied[NODES];
byte appliedOf[NODES];
/* Of these, how many it has read from the journal or committed itself: the rest may never be. */
byte known[NODES];
/* How far the second publisher of a node has come, and whether either has been opened by it. */
byte secondAt[NODES];
bool leadIsOpen[NODES];
bool secondIsOpen[NODES];

byte crashes = 0;

#define isDone (committed == ENTRIES && second == ENTRIES)
#define hasState(n) (phase[n] != down && phase[n] != joining)
/* Among the first `count` choices, how many are of source 1; there are few. */
#define ones(list, count) (at(first(list, count), 0) + at(first(list, count), 1) + at(first(list, count), 2) + at(first(list, count), 3))
#define isLeft(n, source) ((source == 1 && ones(appliedOf[n], applied[n]) < EACH) || (source == 0 && applied[n] - ones(appliedOf[n], applied[n]) < EACH))
#define isCommitted(n) (applied[n] == known[n])

inline forget(n) {
  applied[n] = 0; appliedOf[n] = 0; known[n] = 0; secondAt[n] = 0; leadIsOpen[n] = false; secondIsOpen[n] = false
}

inline demote(n) {
  secondAt[n] = 0; leadIsOpen[n] = false; secondIsOpen[n] = false;
  if
  :: isCommitted(n) || MISTAKE == KEEPS_WHAT_WAS_NOT_COMMITTED -> known[n] = applied[n]; phase[n] = passive
  :: !isCommitted(n) && MISTAKE != KEEPS_WHAT_WAS_NOT_COMMITTED -> forget(n); phase[n] = joining
  fi
}

proctype Node(byte me) {
  do
  :: atomic { isDone -> break }

  :: atomic { phase[me] == down -> phase[me] = joining }
  /* A snapshot: of the active only what its own epoch has committed. */
  :: atomic { phase[me] == joining && hasState(OTHER(me)) && (isCommitted(OTHER(me)) || MISTAKE == SNAPSHOT_AHEAD_OF_JOURNAL) ->
       applied[me] = applied[OTHER(me)]; appliedOf[me] = appliedOf[OTHER(me)]; known[me] = applied[me]; phase[me] = passive }
  :: atomic { phase[me] == joining && !hasState(OTHER(me)) -> applied[me] = revision; appliedOf[me] = revisionOf; known[me] = revision; phase[me] = passive }

  /* A passive applies the committed journal, and nothing else. */
  :: atomic { phase[me] == passive && applied[me] < committed ->
       appliedOf[me] = first(appliedOf[me], applied[me]) | (at(journal, applied[me]) << applied[me]); applied[me]++; known[me] = applied[me] }

  /* Claimed and verified. Whoever was active before may still believe to be it. */
  :: atomic { phase[me] == passive && (holder == NOBODY || holder == me) -> holder = me; phase[me] = opening }
  :: atomic { phase[me] == opening && !leadIsOpen[me] -> leadOpenedBy = me; leadIsOpen[me] = true }
  :: atomic { phase[me] == opening && !secondIsOpen[me] -> secondOpenedBy = me; secondIsOpen[me] = true; secondAt[me] = second }
  :: atomic { phase[me] == opening && leadIsOpen[me] && secondIsOpen[me] -> phase[me] = reading }
  :: atomic { phase[me] == reading && applied[me] < committed ->
       appliedOf[me] = first(appliedOf[me], applied[me]) | (at(journal, applied[me]) << applied[me]); applied[me]++; known[me] = applied[me] }
  :: atomic { phase[me] == reading && (applied[me] >= committed || MISTAKE == CHOOSES_BEFORE_JOURNAL_IS_READ) -> phase[me] = live }

  /* The active chooses, and goes on before it is committed. */
  :: atomic { phase[me] == live && applied[me] < ENTRIES && leadOpenedBy == me ->
       if
       :: isLeft(me, 0) -> skip
       :: isLeft(me, 1) -> appliedOf[me] = appliedOf[me] | (1 << applied[me])
       fi;
       applied[me]++ }

  /* The lead publisher: the choice and its output in one transaction. */
  :: atomic { phase[me] == live && leadOpenedBy == me && committed < applied[me] ->
       /* S3, S7 */
       assert(first(appliedOf[me], committed) == first(journal, committed));
       assert(committed >= second || at(appliedOf[me], committed) == at(secondOf, committed));
       journal = journal | (at(appliedOf[me], committed) << committed); committed++; known[me] = committed }

  /* The second publisher: no further than the journal. */
  :: atomic { phase[me] == live && secondOpenedBy == me && secondAt[me] < applied[me] && (secondAt[me] < known[me] || MISTAKE == RUNS_AHEAD_OF_LEAD) ->
       /* S3 */
       assert(secondAt[me] == second);
       assert(second >= committed || at(appliedOf[me], second) == at(journal, second));
       secondOf = secondOf | (at(appliedOf[me], second) << second); second++; secondAt[me]++ }

  /* Fenced by one that opened late and has left: opened again, never on from memory. */
  :: atomic { phase[me] == live && holder == me && secondOpenedBy != me -> secondOpenedBy = me; secondAt[me] = second }
  :: atomic { phase[me] == live && holder == me && leadOpenedBy != me ->
       leadOpenedBy = me;
       if
       :: known[me] == committed -> skip
       :: known[me] != committed -> demote(me)
       fi }

  /* Fenced by another, that has its place: it leaves. */
  :: atomic { (phase[me] == live || phase[me] == reading || phase[me] == opening) && holder != me && (leadOpenedBy == OTHER(me) || secondOpenedBy == OTHER(me) || phase[me] != live) -> demote(me) }

  /* S7: nothing but the journal has been applied. */
  :: atomic { phase[me] == passive && first(appliedOf[me], applied[me]) != first(journal, applied[me]) && applied[me] <= committed -> assert(false) }

  /* A revision is listed once its own epoch has committed the journal up to it. */
  :: atomic { phase[me] == live && leadOpenedBy == me && applied[me] > revision && (isCommitted(me) || MISTAKE == REVISION_AHEAD_OF_JOURNAL) ->
       revision = applied[me]; revisionOf = appliedOf[me] }
  od
}

/* What goes wrong: processes die, sessions end while they live. */
proctype World() {
  byte n;
  do
  :: atomic { isDone -> break }
  :: atomic { crashes < CRASHES && !isDone && (phase[0] != down || phase[1] != down) ->
       crashes++;
       if
       :: phase[0] != down -> n = 0
       :: phase[1] != down -> n = 1
       fi;
       forget(n); phase[n] = down;
       if
       :: holder == n -> holder = NOBODY
       :: holder != n -> skip
       fi }
  :: atomic { crashes < CRASHES && holder != NOBODY -> crashes++; holder = NOBODY }
  :: crashes == CRASHES -> isDone
  od
}

init {
  atomic { phase[0] = down; phase[1] = down; run Node(0); run Node(1); run World() }
}

/* L1, where the steps of nobody are put off for ever. */
ltl everything_is_published { <> isDone }
