/**
 * Progress: how far the campaigns are, on standard error.
 *
 * Owns the bars of a terminal, and the lines in the place of them where there is none. Promises that standard output
 * stays the report's.
 */
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { CampaignName } from './campaigns/index.ts';

export interface Progress {
  show(name: CampaignName, done: number, size: number): void;
  end(name: CampaignName): void;
  close(): void;
}

const LINE_EVERY_MS = 10_000;

export function createProgress(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? bars(stream) : lines(stream);
}

function bars(stream: NodeJS.WriteStream): Progress {
  const options = { stream, format: '{name} {bar} {value}/{total}', hideCursor: true, clearOnComplete: true };
  const all = new MultiBar(options, Presets.shades_classic);
  const shown = new Map<CampaignName, SingleBar>();
  return {
    show(name, done, size) {
      const bar = shown.get(name) ?? all.create(size, 0, { name: name.padEnd(10) });
      shown.set(name, bar);
      bar.update(done);
    },
    end(name) {
      const bar = shown.get(name);
      if (bar) all.remove(bar);
    },
    close: () => all.stop(),
  };
}

function lines(stream: NodeJS.WriteStream): Progress {
  const saidAt = new Map<CampaignName, number>();
  return {
    show(name, done, size) {
      const now = performance.now();
      if (now - (saidAt.get(name) ?? Number.NEGATIVE_INFINITY) < LINE_EVERY_MS) return;
      saidAt.set(name, now);
      stream.write(`${name}: ${done.toLocaleString('en')} of ${size.toLocaleString('en')}\n`);
    },
    end: (name) => void stream.write(`${name}: done\n`),
    close() {},
  };
}
