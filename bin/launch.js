/**
 * Starts a program from where its code is: TypeScript in a checkout, compiled JavaScript in an installed package.
 *
 * Promises to add as little as possible to the start. Never handles an error of the program itself.
 */
import { existsSync } from 'node:fs';

/** @param {'device' | 'gateway' | 'inspect'} program the folder whose `main` to call */
export async function launch(program) {
  const source = new URL(`../src/${program}/main.ts`, import.meta.url);
  const inCheckout = existsSync(source);
  if (inCheckout && !(await readTypeScript())) {
    console.error('error: the packages of this checkout are missing: run npm install (not-installed)');
    process.exitCode = 1;
    return;
  }
  const compiled = new URL(`../dist/${program}/main.js`, import.meta.url);
  const { main } = await import((inCheckout ? source : compiled).href);
  await main(process.argv.slice(2));
}

async function readTypeScript() {
  try {
    const { register } = await import('tsx/esm/api');
    register();
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ERR_MODULE_NOT_FOUND') return false;
    throw error;
  }
}
