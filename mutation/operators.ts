/**
 * Operators: the single mistakes that can be made in a source file, found in its syntax tree.
 *
 * Owns which mistakes there are. Leaves out what no test could notice: types, imports, log lines, and texts.
 */
import { parse } from '@babel/parser';
import { type Node, VISITOR_KEYS } from '@babel/types';

/** One mistake: the text between two offsets of a file is replaced. */
export interface Mutation {
  /** From the root of the checkout. */
  readonly file: string;
  readonly line: number;
  /** What kind of mistake, such as `comparison` or `removed statement`. */
  readonly operator: string;
  readonly start: number;
  readonly end: number;
  readonly was: string;
  readonly becomes: string;
}

type Change = Pick<Mutation, 'operator' | 'start' | 'end' | 'becomes'>;

const BINARY: Readonly<Record<string, readonly [operator: string, becomes: string]>> = {
  '<': ['comparison', '<='],
  '<=': ['comparison', '<'],
  '>': ['comparison', '>='],
  '>=': ['comparison', '>'],
  '===': ['equality', '!=='],
  '!==': ['equality', '==='],
  '+': ['arithmetic', '-'],
  '-': ['arithmetic', '+'],
  '*': ['arithmetic', '/'],
  '/': ['arithmetic', '*'],
  '&&': ['logic', '||'],
  '||': ['logic', '&&'],
};
const ASSIGNMENTS: Readonly<Record<string, string>> = { '+=': '-=', '-=': '+=' };
/** A map, since a method may be called `constructor`. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ['min', 'max'],
  ['max', 'min'],
  ['some', 'every'],
  ['every', 'some'],
]);
const LOGS = /^(this\.)?#?(\w+\.)*(log|logger|console|process\.std(out|err))\b/;
/** Calls that give the same for their arguments in any order. */
const ANY_ORDER = /^(Math\.(min|max|imul|hypot)|timingSafeEqual|plus|later|earlier)$/;
/** What changes a value at a place where there is one; declarations and jumps are left alone. */
const REMOVABLE = new Set(['CallExpression', 'OptionalCallExpression', 'AwaitExpression', 'AssignmentExpression']);
/** Syntax of types that stands around an expression. */
const TRANSPARENT = new Set(['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression']);
const LEFT_OUT = new Set(['ImportDeclaration', 'ExportAllDeclaration']);

/** Every mistake that can be made in a file; `source` must be TypeScript without JSX. */
export function mutationsOf(file: string, source: string): Mutation[] {
  const tree = parse(source, { sourceType: 'module', plugins: ['typescript'] });
  const found: Mutation[] = [];
  visit(tree.program, source, (change) => {
    const was = source.slice(change.start, change.end);
    if (change.becomes === was) return;
    found.push({ file, line: source.slice(0, change.start).split('\n').length, was, ...change });
  });
  return found;
}

/** The file with the mistake in it. */
export function plant({ start, end, becomes }: Mutation, source: string): string {
  return source.slice(0, start) + becomes + source.slice(end);
}

function visit(node: Node, source: string, found: (change: Change) => void): void {
  if (LEFT_OUT.has(node.type) || (node.type.startsWith('TS') && !TRANSPARENT.has(node.type))) return;
  if (isLog(node, source) || isText(node, source)) return;
  for (const change of changesOf(node, source)) found(change);
  for (const key of VISITOR_KEYS[node.type] ?? []) {
    const below = (node as unknown as Record<string, Node | readonly (Node | null)[] | null | undefined>)[key];
    for (const child of Array.isArray(below) ? below : [below]) if (child) visit(child, source, found);
  }
}

function isLog(node: Node, source: string): boolean {
  if (node.type !== 'ExpressionStatement') return false;
  return LOGS.test(source.slice(...rangeOf(node)).replace(/^(await|void) /, ''));
}

/** A text put together of parts, where a change would only be another wording. */
function isText(node: Node, source: string): boolean {
  return node.type === 'BinaryExpression' && node.operator === '+' && /['"`]/.test(source.slice(...rangeOf(node)));
}

function changesOf(node: Node, source: string): Change[] {
  const textOf = (part: Node) => source.slice(...rangeOf(part));
  const change = (part: Node, operator: string, becomes: string): Change => {
    const [start, end] = rangeOf(part);
    return { operator, start, end, becomes };
  };
  switch (node.type) {
    case 'BinaryExpression':
    case 'LogicalExpression': {
      if (node.operator === '??') return [change(node, 'default', textOf(node.right))];
      const [operator, becomes] = BINARY[node.operator] ?? [];
      if (operator === undefined || becomes === undefined) return [];
      const between = source.slice(rangeOf(node.left)[1], rangeOf(node.right)[0]);
      const at = rangeOf(node.left)[1] + between.indexOf(node.operator);
      return [{ operator, start: at, end: at + node.operator.length, becomes }];
    }
    case 'AssignmentExpression': {
      const becomes = ASSIGNMENTS[node.operator];
      if (becomes === undefined || /['"`]/.test(textOf(node.right))) return [];
      const at = source.indexOf(node.operator, rangeOf(node.left)[1]);
      return [{ operator: 'arithmetic', start: at, end: at + node.operator.length, becomes }];
    }
    case 'IfStatement':
    case 'ConditionalExpression':
      return [change(node.test, 'condition', `!(${textOf(node.test)})`)];
    case 'UnaryExpression':
      return node.operator === '!' ? [change(node, 'negation', textOf(node.argument))] : [];
    case 'BooleanLiteral':
      return [change(node, 'constant', String(!node.value))];
    case 'NumericLiteral':
      return [change(node, 'constant', String(node.value + 1))];
    case 'AwaitExpression':
      return [change(node, 'removed await', textOf(node.argument))];
    case 'ThrowStatement':
      return [change(node, 'removed throw', ';')];
    case 'ExpressionStatement':
      return REMOVABLE.has(node.expression.type) && !textOf(node).startsWith('super(')
        ? [change(node, 'removed statement', ';')]
        : [];
    case 'TryStatement':
      return node.finalizer ? [change(node.finalizer, 'removed finally', '{}')] : [];
    case 'CallExpression':
      return callChanges(node, textOf, change);
    default:
      return [];
  }
}

function callChanges(
  { callee, arguments: given }: Extract<Node, { type: 'CallExpression' }>,
  textOf: (part: Node) => string,
  change: (part: Node, operator: string, becomes: string) => Change,
): Change[] {
  const found: Change[] = [];
  if (callee.type === 'MemberExpression' && callee.property.type === 'Identifier') {
    const becomes = METHODS.get(callee.property.name);
    if (becomes !== undefined) found.push(change(callee.property, 'other method', becomes));
  }
  const [first, second] = given;
  if (first && second && isPlain(first) && isPlain(second) && !ANY_ORDER.test(textOf(callee))) {
    const [start] = rangeOf(first);
    const [, end] = rangeOf(second);
    const becomes = `${textOf(second)}, ${textOf(first)}`;
    found.push({ operator: 'swapped arguments', start, end, becomes });
  }
  return found;
}

/** Arguments that somebody could mistake for each other. */
function isPlain(node: Node): boolean {
  return node.type === 'Identifier' || node.type === 'MemberExpression' || node.type === 'NumericLiteral';
}

function rangeOf(node: Node): [start: number, end: number] {
  return [node.start ?? 0, node.end ?? 0];
}
