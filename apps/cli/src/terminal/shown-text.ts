/** Styles as `styleText` makes them: they colour, and move nothing. */
const styles = /(\x1b\[\d+(?:;\d+)*m)/;
/** Control characters but line feed and tab, and those that are not seen and order others (Unicode Cf). */
const unseen = /[\x00-\x08\x0b-\x1f\x7f-\x9f]|\p{Cf}/gu;

/**
 * A text as people may see it: whoever wrote a certificate, a request or a file of a ceremony chose what is
 * in it, and nothing of that may hide, turn round or overwrite what else is on the screen.
 */
export function shownText(text: string): string {
  return text
    .split(styles)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(unseen, escapeOf)))
    .join('');
}

/** JSON with the same characters written as escapes: the value is the same. */
export function shownJson(json: string): string {
  return json.replace(unseen, escapeOf);
}

/** As JSON writes it, in UTF-16 units. */
function escapeOf(character: string): string {
  return Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');
}
