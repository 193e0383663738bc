// What is due next, of many: a binary heap, so that a thousand checks share one timer.

export interface Due {
  /** Milliseconds, on the agent's clock. */
  readonly due: number;
}

export interface Agenda<Item extends Due> {
  add(item: Item): void;
  first(): Item | undefined;
  /** Takes the first one out. */
  take(): Item | undefined;
}

export function newAgenda<Item extends Due>(): Agenda<Item> {
  const heap: Item[] = [];
  const dueOf = (at: number): number => heap[at]?.due ?? Number.POSITIVE_INFINITY;
  function swap(a: number, b: number): void {
    const [first, second] = [heap[a], heap[b]];
    if (first === undefined || second === undefined) return;
    heap[a] = second;
    heap[b] = first;
  }
  function rise(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (dueOf(parent) <= dueOf(at)) return;
      swap(at, parent);
      at = parent;
    }
  }
  function sink(): void {
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const child = dueOf(left + 1) < dueOf(left) ? left + 1 : left;
      if (dueOf(at) <= dueOf(child)) return;
      swap(at, child);
      at = child;
    }
  }
  return {
    add(item) {
      heap.push(item);
      rise(heap.length - 1);
    },
    first: () => heap[0],
    take() {
      swap(0, heap.length - 1);
      const taken = heap.pop();
      sink();
      return taken;
    },
  };
}
