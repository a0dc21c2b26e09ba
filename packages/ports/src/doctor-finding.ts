// What a look at a system in use may find: something that works today and would hurt one day.

/** Error: the pair cannot keep its promises. Warning: it will hurt. Note: worth knowing. */
export type FindingLevel = 'error' | 'warning' | 'note';

export interface DoctorFinding {
  readonly level: FindingLevel;
  /** What was found, with its value. */
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
  /** What to set or do. */
  readonly todo: string;
}
