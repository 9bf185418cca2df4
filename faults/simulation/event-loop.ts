/**
 * EventLoop: the turns of the one process that both sides of a simulation share.
 *
 * Owns `setImmediate` and everything else that a program could wait with, while a simulation runs: its own queue of
 * turns stands in for the real one. Promises that nothing but what the simulation does makes anything happen, so that
 * one seed is one course of events; whatever asks the real world for time or chance is an error. Never runs beside
 * anything else.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';

export interface EventLoop {
  /** Resolves once nothing is left to run: no promise and no turn. */
  rest(): Promise<void>;
}

type Turn = () => void;

/** More turns than these between two moments are a loop without end. */
const TURNS_MAX = 100_000;

/** Runs `task` with this process's event loop in its hands. */
export async function withEventLoop<T>(task: (loop: EventLoop) => Promise<T>): Promise<T> {
  const loop = new OwnLoop();
  const restore = loop.install();
  try {
    return await task(loop);
  } finally {
    restore();
  }
}

class OwnLoop implements EventLoop {
  #turns: Turn[] = [];

  async rest(): Promise<void> {
    for (let turns = 0; ; ) {
      await drained();
      if (this.#turns.length === 0) return;
      const phase = this.#turns;
      this.#turns = [];
      for (const turn of phase) {
        assert(++turns <= TURNS_MAX, 'the event loop comes to rest');
        turn();
        await drained();
      }
    }
  }

  install(): () => void {
    const put = (turn: Turn): Turn => {
      this.#turns.push(turn);
      return turn;
    };
    const take = (turn: unknown): void => {
      this.#turns = this.#turns.filter((other) => other !== turn);
    };
    const soon = (callback: (...args: unknown[]) => void, ...args: unknown[]): Turn => put(() => callback(...args));
    const undo = [
      patch(globalThis, {
        setImmediate: soon,
        clearImmediate: take,
        // p-retry waits for nothing, but with a timer.
        setTimeout(callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) {
          assert(delayMs <= 1, `a simulation has its own timer; somebody waits ${delayMs} ms of real time`);
          return soon(callback, ...args);
        },
        clearTimeout: take,
        setInterval: () => unreal('setInterval'),
      }),
      patch(timers, {
        setImmediate: (value?: unknown) => new Promise((resolve) => put(() => resolve(value))),
        setTimeout: () => unreal('setTimeout'),
      }),
      patch(Date, { now: () => unreal('Date.now') }),
      patch(performance, { now: () => unreal('performance.now') }),
      patch(Math, { random: () => unreal('Math.random') }),
      patch(crypto, { randomBytes: () => unreal('randomBytes') }),
    ];
    syncBuiltinESMExports();
    return () => {
      for (const one of undo) one();
      syncBuiltinESMExports();
    };
  }
}

/** After every promise that can settle by itself: ticks run once there are no microtasks left. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

function unreal(name: string): never {
  throw new Error(`a simulation has its own time and chance; somebody calls ${name}`);
}

function patch(target: object, members: Readonly<Record<string, unknown>>): () => void {
  const before = Object.keys(members).map((name) => [name, Object.getOwnPropertyDescriptor(target, name)] as const);
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  }
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, descriptor);
    }
  };
}
