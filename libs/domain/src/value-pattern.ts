// Apart, for it brings a regular expression engine along that most commands never need.
export { ValuePattern } from './profile/value-pattern.js';
