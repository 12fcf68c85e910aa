import { parse } from 'secure-json-parse';
import { malformedJson } from '../errors/to-refusal.js';

/** The value of a JSON body. Members that would reach a prototype are refused like what is no JSON. @throws Refusal request.malformed_json */
export function parseJsonBody(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw malformedJson(error);
  }
}
