// Parsed documents kept for the next time they come. Bounded by the text of the documents, not by their number: what a
// document needs in memory goes by its length, and anybody may send any number of different ones.
import type { DocumentNode } from 'graphql';

/** 60 MB when every token is as short as can be; hundreds of ordinary documents. */
const mostCharacters = 400_000;

export interface DocumentCache {
  get(text: string): DocumentNode | undefined;
  set(text: string, document: DocumentNode): void;
}

export function makeDocumentCache(most = mostCharacters): DocumentCache {
  const documents = new Map<string, DocumentNode>();
  let characters = 0;
  function forget(text: string): void {
    if (documents.delete(text)) characters -= text.length;
  }
  return {
    get: (text) => {
      const document = documents.get(text);
      if (document === undefined) return undefined;
      documents.delete(text);
      documents.set(text, document);
      return document;
    },
    set: (text, document) => {
      forget(text);
      documents.set(text, document);
      characters += text.length;
      for (const oldest of documents.keys()) {
        if (characters <= most) break;
        forget(oldest);
      }
    },
  };
}
