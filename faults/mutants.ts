/**
 * Mutants: the deliberate bugs that the campaigns must catch, each a mistake that somebody could make.
 *
 * Owns the list. Promises that each patch fits the source as it is (a test holds that). Never ships: patches are
 * applied to copies only.
 */
import type { Mutant } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'acknowledge before the commit',
    file: 'src/store/intake.ts',
    find: 'resolve(this.#commits.committed(live.changedIn));',
    replace: 'resolve();',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'release before the acknowledgement',
    file: 'src/device/sync.ts',
    find:
      'const delivered = await persist({ ...this.#options, signal: flight.signal }, ' +
      '() => delivery.deliver(cut, flight));',
    replace: `const delivered = { quarantine: [] };
    void persist(this.#options, () => delivery.deliver(cut, flight));
    await new Promise((resolve) => setImmediate(resolve));`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'let refused events go when they are sent again',
    file: 'src/device/retries.ts',
    find: 'const delivered = await persist(this.#options, () => delivery.deliver(lot, lot));',
    replace: `const delivered = { quarantine: [] };
    void persist(this.#options, () => delivery.deliver(lot, lot));`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'resolve record() before the commit',
    file: 'src/device/recorder.ts',
    find: 'const { stream, first } = await this.#options.append(await pack(group, this.#portion));',
    replace: `const { stream, first } = { stream: '00'.repeat(16), first: 1 };
        void this.#options.append(await pack(group, this.#portion));`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'forget refused events whose record went with a lost file',
    file: 'src/store/queue-aside.ts',
    find: 'const lost = ranges.filter(({ family, first }) => !has.has(nameOf(family, first)));',
    replace: 'const lost: AsideRange[] = [];',
    caughtBy: [{ campaign: 'disk', size: 500 }],
  },
  {
    name: 'move the position outside of the commit',
    file: 'src/store/queue-disk.ts',
    find: 'await this.handle.use((rocks) => rocks.write([...operations, ...stateOperations(before, after)]));',
    replace: `await this.handle.use((rocks) => rocks.write(stateOperations(before, after)));
        await this.handle.use((rocks) => rocks.write(operations));`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'let a lost MANIFEST end a device',
    file: 'src/store/queue-rebuild.ts',
    find: 'if (!(error instanceof DamageError) || files.salvage === undefined) throw error;',
    replace: 'if (error instanceof StoreError || files.salvage === undefined) throw error;',
    caughtBy: [{ campaign: 'disk', size: 1_500 }],
  },
  {
    name: 'believe memory after a write that failed',
    file: 'src/store/queue-disk.ts',
    find: `this.handle.doubt();
        await this.#ready(CALM_MAX_MS).catch((failure) => {
          this.#doubted ??= before.position;
          throw failure;
        });`,
    replace: 'this.#state = after;',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'skip the fsync',
    file: 'src/store/rocks.ts',
    find: 'const SYNC = { sync: true };',
    replace: 'const SYNC = { sync: false };',
    caughtBy: [{ campaign: 'power', size: 5 }],
  },
  {
    name: 'start without the lock of the folder',
    file: 'src/store/folder-lock.ts',
    find: 'if (!tryLock(file.fd)) throw',
    replace: 'if (!tryLock(file.fd) && LOCKED_AT === 0) throw',
    caughtBy: [{ campaign: 'owners', size: 12 }],
  },
  {
    name: 'ignore what RocksDB fails at behind the scenes',
    file: 'src/store/rot-watch.ts',
    find: 'const isGrown = failures > 2 * this.#lookedAt;',
    replace: 'const isGrown = false;',
    caughtBy: [{ campaign: 'rot', size: 4 }],
  },
  {
    name: 'the ledger is off by one at the edge of an interval',
    file: 'src/store/intervals.ts',
    find: 'next = lasts[i]! + 1;',
    replace: 'next = lasts[i]! + 2;',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'an overlapping batch counts as a duplicate as a whole',
    file: 'src/gateway/admission.ts',
    find: 'missing = ledger.missing(batch.first, last);',
    replace:
      'missing = ledger.missing(batch.first, last);\n          if (countOf(missing) < batch.count) missing = [];',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'forget the digest that binds an id to its content',
    file: 'src/gateway/evidence.ts',
    find: 'collisions: union([...collisions, ...subtract(different, findings)]),',
    replace: 'collisions: [],',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'count a gap each time it is declared',
    file: 'src/gateway/gap-tally.ts',
    find: 'subtract(ledger.undeclared(first, last), declared.slice(0, i))',
    replace: 'subtract([gap], declared.slice(0, i))',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'give up events that may be on their way',
    file: 'src/device/quota.ts',
    find: 'queue.read(await queue.nextStart(Math.max(queue.head, unsent)), READ)',
    replace: 'queue.read(queue.head, READ)',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'forget after a restart what may have been sent',
    file: 'src/device/flights.ts',
    find: 'let unsent = queue.unsent;',
    replace: 'let unsent = 1;',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'condemn events where a device owns too much',
    file: 'src/device/outcome.ts',
    find: `case 'interval-limit':
    case 'stream-limit':
    case 'storage-limit':`,
    replace: `case 'interval-limit':
    case 'stream-limit':
    case 'storage-limit':
      return { kind: 'refused', problem };`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'count a stream anew with each of its batches',
    file: 'src/store/intake.ts',
    find: 'const before = live.isStored ? holdingsOf(ledger) : NOTHING_HELD;',
    replace: 'const before = NOTHING_HELD;',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'keep what a device holds though its commit has failed',
    file: 'src/store/live-ledgers.ts',
    find: 'this.#devices.clear();',
    replace: '',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'sum in floating point',
    file: 'src/codec/decimal.ts',
    find: 'if (a.scale === b.scale) return',
    replace: `if (a.digits !== 0n && b.digits !== 0n)
    return decimalOf(Number(formatDecimal(a)) + Number(formatDecimal(b)));
  if (a.scale === b.scale) return`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'leave the body out of the signature',
    file: 'src/codec/signature.ts',
    find: ".update(prefix, 'latin1').update(body)",
    replace: ".update(prefix, 'latin1')",
    caughtBy: [{ campaign: 'network', size: 300 }],
  },
  {
    name: 'trust an unsigned 400',
    file: 'src/device/outcome.ts',
    find: "if (status === 413) return { kind: 'split' };",
    replace: `if (status === 400)
    return { kind: 'refused', problem: { status, code: 'batch-corrupt', detail: '' } as unknown as Problem };
  if (status === 413) return { kind: 'split' };`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'release on an unsigned 200',
    file: 'src/device/outcome.ts',
    find: "if (status === 413) return { kind: 'split' };",
    replace: `if (status === 200) return { kind: 'delivered', inserted: 0, duplicates: 0 };
  if (status === 413) return { kind: 'split' };`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'reuse the timestamp on a retry',
    file: 'src/device/exchange.ts',
    find: 'const timestamp = clock.timestamp();',
    replace: `const kept = message as { timestamp?: number };
      kept.timestamp ??= clock.timestamp();
      const { timestamp } = kept;`,
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'verify no answer',
    file: 'src/device/outcome.ts',
    find: 'return verifyAnswer(sent.secret, head, answer.body, signatures);',
    replace: 'void head;\n  return verifyAnswer !== undefined;',
    caughtBy: [{ campaign: 'network', size: 300 }],
  },
  {
    name: 'trust any certificate',
    file: 'src/device/transport.ts',
    find: '    timeout: Math.min(',
    replace: '    rejectUnauthorized: false,\n    timeout: Math.min(',
    caughtBy: [{ campaign: 'network', size: 300 }],
  },
  {
    name: 'look at no signature of a head before it takes room',
    file: 'src/gateway/ingest.ts',
    find: 'const isAuthentic = once !== undefined && !usedHeads.has(once);',
    replace: 'const isAuthentic = false;',
    caughtBy: [{ campaign: 'network', size: 300 }],
  },
  {
    name: 'believe a clock that nobody has signed',
    file: 'src/device/outcome.ts',
    find: 'const code = `unsigned-$',
    replace: `const said = parseProblem(answer.body);
  if (said?.clock !== undefined) return { kind: 'skew', clock: said.clock };
  const code = \`unsigned-$`,
    caughtBy: [{ campaign: 'clock', size: 6 }],
  },
  {
    name: 'put event times right with the clock of the gateway',
    file: 'src/device/assembly.ts',
    find: 'options?.at ?? this.#settings.clock();',
    replace: 'options?.at ?? this.#settings.clock() + this.#clock.offsetMs;',
    caughtBy: [{ campaign: 'clock', size: 6 }],
  },
  {
    name: 'never correct the clock',
    file: 'src/device/clock.ts',
    find: 'offsetMs = Math.round(gatewayClock - clock());',
    replace: 'void gatewayClock;',
    caughtBy: [{ campaign: 'clock', size: 6 }],
  },
  {
    name: 'order reports by the clock alone',
    file: 'src/gateway/device-page.ts',
    find:
      'if (isFurther(arriving.queue, known.queue)) return false;\n' +
      '  return arriving.stream === known.stream || arriving.sentAt',
    replace: 'return arriving.sentAt',
    caughtBy: [
      { campaign: 'clock', size: 24 },
      { campaign: 'simulation', size: 300 },
    ],
  },
  {
    name: 'sums over all sensors forget what was there',
    file: 'src/gateway/device-page.ts',
    find: 'into.totals = yield* addTotals(into.totals, totals);',
    replace: 'into.totals = totals;',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'count a cut, and its blocks again',
    file: 'src/device/census.ts',
    find: `from = last + 1;
      cuts += 1;`,
    replace: 'cuts += 1;',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'give memory back before it is decided what it adds',
    file: 'src/gateway/ingest.ts',
    find: 'const admitted = await admissions.admit(arrival);',
    replace: `lease.release();
      const admitted = await admissions.admit(arrival);`,
    caughtBy: [{ campaign: 'network', size: 300 }],
  },
  {
    name: 'look at the first signature only',
    file: 'src/codec/signature.ts',
    find: 'return offered.find((signature) => equals(expected, signature));',
    replace: 'return offered.slice(0, 1).find((signature) => equals(expected, signature));',
    caughtBy: [{ campaign: 'hostile', size: 20_000 }],
  },
  {
    name: 'do all work in one go, however large',
    file: 'src/store/time-slicing.ts',
    find: 'const SLICE_MS = 3;',
    replace: 'const SLICE_MS = 1e12;',
    caughtBy: [{ campaign: 'hostile', size: 200 }],
  },
  {
    name: 'merge a page in one go, however large',
    file: 'src/store/page-cache.ts',
    find: 'return inTurns(steps, this.#turns);',
    replace:
      'for (;;) {\n      const step = steps.next();\n      if (step.done) return Promise.resolve(step.value);\n    }',
    caughtBy: [{ campaign: 'hostile', size: 200 }],
  },
  {
    name: 'never cut a page, however large',
    file: 'src/gateway/bucket-cuts.ts',
    find: 'export const CUT_BYTES = 4 << 10;',
    replace: 'export const CUT_BYTES = 1 << 30;',
    caughtBy: [{ campaign: 'hostile', size: 200 }],
  },
  {
    name: 'lose the bucket with which a part begins',
    file: 'src/gateway/bucket-cuts.ts',
    find: 'const kept = page !== head ? runs[0]!',
    replace: 'const kept = page !== head ? NO_BUCKETS',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'put what comes late where the page goes on',
    file: 'src/gateway/bucket-cuts.ts',
    find: 'if (buckets.length === 0 || buckets[0]!.number >= ownFrom) return undefined;',
    replace: 'if (buckets.length === 0 || buckets[0]!.number > -ownFrom) return undefined;',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'forget a page that only learned of new parts',
    file: 'src/store/page-cache.ts',
    find: 'if ((yield* this.#cut(merged, head, live.page)) > 0) head.isChanged = true;',
    replace: 'yield* this.#cut(merged, head, live.page);',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'take a batch, whatever it has written again',
    file: 'src/gateway/admission.ts',
    find: 'if (counting.pageBytes! > BATCH_PAGE_BYTES_MAX && batch.count > 1) throw tooMuchToWrite();',
    replace: '',
    caughtBy: [{ campaign: 'hostile', size: 200 }],
  },
  {
    name: 'count sensors anew before a failed commit is looked after',
    file: 'src/gateway/sensors.ts',
    find: 'await store.renewed();',
    replace: '',
    caughtBy: [{ campaign: 'simulation', size: 300 }],
  },
  {
    name: 'weigh pages in the cache by what they take on disk',
    file: 'src/store/page-cache.ts',
    find: 'this.#live.set(id, live, this.#operator.bytesOf(kind, live.page));',
    replace: 'this.#live.set(id, live, live.storedBytes);',
    caughtBy: [{ campaign: 'hostile', size: 200 }],
  },
];
