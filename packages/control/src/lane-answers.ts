// What every lane of an app has to answer before it counts: which of them have.

export class LaneAnswers {
  readonly #answered = new Map<string, Set<number>>();

  /** True once `lanes` of them have answered that; then it begins anew. */
  add(what: string, lane: number, lanes: number): boolean {
    const answered = this.#answered.get(what) ?? new Set();
    this.#answered.set(what, answered.add(lane));
    if (answered.size < lanes) return false;
    this.#answered.delete(what);
    return true;
  }

  forget(what: string): void {
    this.#answered.delete(what);
  }

  forgetAll(): void {
    this.#answered.clear();
  }
}
