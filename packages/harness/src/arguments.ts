// Numbers on the command line, refused in one line when they are none.
import { InvalidArgumentError } from 'commander';

export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`must be a whole number from ${least.toString()} to ${most.toString()}`);
  };
}

export function positive(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value > 0 && value <= most) return value;
    throw new InvalidArgumentError(`must be a number above 0 and at most ${most.toString()}`);
  };
}
