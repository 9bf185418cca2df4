/**
 * Printable: text from elsewhere, made safe for a terminal, a log or a table.
 *
 * Owns which characters a terminal might obey, hide, or let change the order of what is read. Promises that each of
 * them is shown as an escape such as `\u009b`, and that all other text stays as it is. Whatever others named goes
 * through here: sensors, measures, devices, files, answers.
 */
import { eastAsianWidth } from 'get-east-asian-width';

/**
 * Controls (C0 and C1), format characters (bidi marks and overrides, zero width, tags), lone surrogates, line and
 * paragraph separators, private and unassigned characters, and whatever else is drawn as nothing.
 */
const UNSAFE_PATTERN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}]/gu;
const MARKS_PATTERN = /[\p{Mn}\p{Me}]/gu;
const ASCII_PATTERN = /^[ -~]*$/;

export function printable(text: string): string {
  return ASCII_PATTERN.test(text) ? text : text.replace(UNSAFE_PATTERN, escaped);
}

/** The same for text of several lines, such as a stack; their ends stay. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** JSON text on one line: the same characters as JSON escapes, so that it reads back as it was. */
export function printableJson(json: string): string {
  return ASCII_PATTERN.test(json) ? json : json.replace(UNSAFE_PATTERN, escapedInJson);
}

/** Columns of a terminal that a printable text takes. */
export function widthOf(text: string): number {
  if (ASCII_PATTERN.test(text)) return text.length;
  return Array.from(text.replace(MARKS_PATTERN, '')).reduce(
    (width, char) => width + eastAsianWidth(char.codePointAt(0)!),
    0,
  );
}

function escaped(char: string): string {
  const code = char.codePointAt(0)!;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** By UTF-16 units: JSON knows no other escapes. */
function escapedInJson(char: string): string {
  return Array.from({ length: char.length }, (_, at) => {
    return `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }).join('');
}
