// tandem switchover: asks the active node to hand over to the other one.
import { TandemError } from '@tandem/ports';
import { activeNode, findTargets, type TargetOptions } from '../targets.ts';
import { roughDuration, type Terminal } from '../terminal.ts';

export async function switchover(options: TargetOptions, terminal: Terminal): Promise<number> {
  const targets = await findTargets(options, terminal);
  const active = await activeNode(targets);
  const { node: before } = await active.node();
  try {
    const report = await active.switchover();
    const after = await active.pair();
    const now = after.active === null ? '' : `, ${after.active} is active in epoch ${String(after.epoch)}`;
    terminal.out(`${before} has handed over in ${roughDuration(report.took_ms)}${now}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof TandemError) || !error.code.startsWith('switchover-')) throw error;
    const what = error.code === 'switchover-refused' ? 'was refused' : 'did not come about in time';
    terminal.error(`tandem: the switchover ${what}: ${error.message}. See tandem status\n`);
    return 1;
  }
}
