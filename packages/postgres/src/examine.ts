// What of a server's settings would hurt a pair that uses it as it is configured to: for tandem doctor.
import type { DoctorFinding } from '@tandem/ports';
import { showDuration } from '@tandem/ports/configuration';
import type { Connection } from './connection.ts';

/** How one node uses the server. */
export interface PostgresUse {
  readonly isCoordinator: boolean;
  readonly isStore: boolean;
  /** Per app: worker threads, and how many of its sources and sinks lie here. */
  readonly apps: readonly { readonly lanes: number; readonly sources: number; readonly sinks: number }[];
}

const oldest = 140_000;
const clocksApart_ms = 1000;

interface Settings {
  readonly version_num: number;
  readonly version: string;
  readonly synchronous_commit: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly read_only: string;
  readonly max_connections: number;
  readonly reserved: number;
  readonly others: number;
  readonly role_limit: number;
  readonly now_ms: number;
}

/**
 * Sessions that one node holds, at most: coordinator and its watch, snapshots, and per lane one for each source, one
 * that publishes and one that follows.
 */
export function sessionsOf({ isCoordinator, isStore, apps }: PostgresUse): number {
  const lanes = apps.reduce((sum, app) => sum + app.lanes * (app.sources + (app.sinks > 0 ? 2 : 0)), 0);
  return (isCoordinator ? 2 : 0) + (isStore ? 1 : 0) + lanes;
}

export async function examineServer(connection: Connection, use: PostgresUse): Promise<readonly DoctorFinding[]> {
  const asked_ms = Date.now();
  const { rows } = await connection.query<Settings & Record<string, unknown>>(
    `SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('default_transaction_read_only') AS read_only,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT count(*)::int FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name NOT LIKE 'tandem %') AS others,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
       (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms`,
  );
  const answered_ms = Date.now();
  const settings = rows[0];
  if (settings === undefined) return [];
  return [
    ...durability(settings),
    ...connections(settings, use),
    ...clock(settings, (asked_ms + answered_ms) / 2, (answered_ms - asked_ms) / 2),
  ];
}

function durability({ version, version_num, ...found }: Settings): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  if (version_num < oldest) {
    findings.push({
      level: 'error',
      what: `the server is PostgreSQL ${version}`,
      why: 'Tandem is made for version 14 and later, and tested on nothing older',
      todo: 'upgrade the server',
    });
  }
  if (found.fsync === 'off') {
    findings.push({
      level: 'error',
      what: 'fsync is off',
      why: 'a crash of the machine can damage the whole database: positions, snapshots and outputs',
      todo: 'set fsync = on',
    });
  }
  if (found.full_page_writes === 'off') {
    findings.push({
      level: 'warning',
      what: 'full_page_writes is off',
      why: 'a crash of the machine can leave torn pages, unless the file system rules them out',
      todo: 'set full_page_writes = on',
    });
  }
  if (found.synchronous_commit === 'off') {
    findings.push({
      level: 'warning',
      what: 'synchronous_commit is off by default',
      why: 'a crash of the server loses what it acknowledged last. Outputs and their positions go together, so the pair makes them again, but whoever has read them sees them twice',
      todo: 'set synchronous_commit = on, at least for the role that Tandem uses (ALTER ROLE ... SET)',
    });
  }
  if (found.read_only === 'on') {
    findings.push({
      level: 'error',
      what: 'default_transaction_read_only is on',
      why: 'nothing can be published or stored',
      todo: 'connect to the primary, or set it to off for this role',
    });
  }
  return findings;
}

function connections({ max_connections, reserved, others, role_limit }: Settings, use: PostgresUse): DoctorFinding[] {
  // While one node is started again its sessions may overlap with those that the server has not ended yet.
  const needed = 3 * sessionsOf(use);
  const free = max_connections - reserved - others;
  const findings: DoctorFinding[] = [];
  const why = 'a node that gets no connection cannot join, take over or store a revision just when it has to';
  if (needed > free) {
    findings.push({
      level: free < 2 * sessionsOf(use) ? 'error' : 'warning',
      what: `both nodes need up to ${String(needed)} connections, one of them being started again; ${String(free)} of ${String(max_connections)} are left`,
      why,
      todo: 'raise max_connections, or run fewer lanes',
    });
  }
  if (role_limit >= 0 && role_limit < needed) {
    findings.push({
      level: role_limit < 2 * sessionsOf(use) ? 'error' : 'warning',
      what: `the role may have ${String(role_limit)} connections, and both nodes need up to ${String(needed)}`,
      why,
      todo: `ALTER ROLE ... CONNECTION LIMIT ${String(needed)}`,
    });
  }
  return findings;
}

function clock({ now_ms }: Settings, middle_ms: number, doubt_ms: number): DoctorFinding[] {
  const apart_ms = Math.abs(now_ms - middle_ms);
  if (apart_ms - doubt_ms <= clocksApart_ms) return [];
  return [
    {
      level: 'note',
      what: `the server's clock and the one here differ by ${showDuration(Math.round(apart_ms))}`,
      why: 'leases count on the server alone; but `startFrom` with a time and the times of revisions mean other moments than you may think',
      todo: 'keep the clocks in step (chrony, systemd-timesyncd)',
    },
  ];
}
