/**
 * View: where the demo shows itself.
 *
 * Owns the terminal: a live table on one, lines of progress on standard error elsewhere. Promises that standard output
 * gets the result alone wherever it is not a terminal.
 */
import { createLogUpdate } from 'log-update';
import type { Scene } from './demo.ts';
import type { DemoOptions } from './options.ts';
import { liveText, paintFor, progressLine, reconciliationText, stragglerLines } from './screen.ts';
import { summaryOf } from './summary.ts';

export interface View {
  show(scene: Scene): void;
  /** The last scene, and the result. */
  end(scene: Scene): void;
  /** Leaves the terminal as it was. */
  close(): void;
}

export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** And to its beginning. */
const CLEAR_SCREEN = '\x1b[2J\x1b[H';
const LINE_EVERY_MS = 1_000;
const TEXT_COLUMNS = 120;

export function createView(options: DemoOptions, { stdout, stderr }: Terminal): View {
  return options.once || !stdout.isTTY ? lineView(options, stdout, stderr) : liveView(stdout);
}

function liveView(stdout: NodeJS.WriteStream): View {
  const update = createLogUpdate(stdout);
  const paint = paintFor(process.env['NO_COLOR'] === undefined);
  let lines = 0;
  let draw = (): void => {};
  const put = (text: string): void => {
    const before = lines;
    lines = text.split('\n').length;
    // It redraws what differs, and takes equal last lines for lines that have not moved.
    if (lines !== before) update.clear();
    update(text);
  };
  /** A terminal that has become narrower has folded what was there: where it stands now, nobody knows. */
  const onResize = (): void => {
    update.done();
    lines = 0;
    stdout.write(CLEAR_SCREEN);
    draw();
  };
  stdout.on('resize', onResize);
  return {
    show(scene) {
      draw = () => put(liveText(scene, paint, stdout.columns || TEXT_COLUMNS, stdout.rows || undefined));
      draw();
    },
    end(scene) {
      stdout.off('resize', onResize);
      update.clear();
      stdout.write(`${reconciliationText(scene, paint, stdout.columns || TEXT_COLUMNS)}\n`);
    },
    close() {
      stdout.off('resize', onResize);
      update.done();
    },
  };
}

function lineView(options: DemoOptions, stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): View {
  const paint = paintFor(false);
  let nextAtMs = 0;
  return {
    show(scene) {
      if (scene.elapsedMs < nextAtMs && scene.phase !== 'done') return;
      nextAtMs = scene.elapsedMs + LINE_EVERY_MS;
      stderr.write(`${progressLine(scene)}\n`);
    },
    end(scene) {
      for (const line of stragglerLines(scene)) stderr.write(`${line}\n`);
      const result = options.json
        ? JSON.stringify(summaryOf(scene, options))
        : reconciliationText(scene, paint, TEXT_COLUMNS);
      stdout.write(`${result}\n`);
    },
    close() {},
  };
}
