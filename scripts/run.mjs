/**
 * Runs a TypeScript file of this checkout in this process: `node scripts/run.mjs demo/main.ts [arguments]`.
 *
 * Promises that the packages are there first, that standard output is the file's alone, and that signals reach it,
 * since nothing stands between. A file that exports `main` has it called with the arguments.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled } from './ensure-installed.mjs';

ensureInstalled();
const { register } = await import('tsx/esm/api');
register();

const [node, , file, ...args] = process.argv;
const path = resolve(file);
process.argv = [node, path, ...args];
const { main } = await import(pathToFileURL(path).href);
await main?.(args);
