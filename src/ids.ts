// Ids are UUIDs of version 7: unique without asking anybody, and ascending in the order they were made, so that a list
// by id is a list by age.
import { v7 } from 'uuid';

export function newId(): string {
  return v7();
}

export function isId(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(text);
}
