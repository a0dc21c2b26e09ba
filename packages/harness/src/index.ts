// What demo, benchmarks and failover tests share: real node processes and an independent look at what they put out.
// Of the runtime only PostgreSQL's log writer is imported here, as any producer would: it speaks HTTP, SQL, Kafka and signals.
export { stopwatch, until, waitFor, type Deadline } from './waiting.ts';
export { freePort, NodeProcess, type NodeCommand } from './node-process.ts';
export { Pair, type AppBinding, type PairOptions, type NodeView } from './pair.ts';
export { Reaper } from './reaper.ts';
export { KafkaLogs, type KafkaLogsOptions } from './kafka-logs.ts';
export { LogReader, readLog, type LogRecord } from './log-reader.ts';
export type { Arrival, LogAppender, Logs, WatchOptions } from './logs.ts';
export { PostgresLogs } from './postgres-logs.ts';
export { ArrivalClock, percentile, summarise, type Summary } from './statistics.ts';
export { Generator, murmur2, partitionOf, type Drawn } from './generator.ts';
export { SteadyCheck, steadyValue, type SteadyVerdict } from './steady.ts';
export { positive, whole } from './arguments.ts';
export { compare, type Due, type Verdict } from './verdict.ts';
export { Feed, type FeedOptions } from './feed.ts';
export { directions, Gate, type Direction } from './gate.ts';
export { pace, type Paced } from './pacing.ts';
export { TcpProxy, type ProxyLink } from './tcp-proxy.ts';
export { cpuSeconds, forgetMemoryPeak, memory_mb, memoryPeak_mb } from './usage.ts';
