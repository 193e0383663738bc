// Enum values from the lists of the model, each with a description: a value without one doesn't compile.

export function described<T extends string>(
  values: readonly T[],
  descriptions: Record<T, string>,
): Record<T, { value: T; description: string }> {
  return Object.fromEntries(
    values.map((value) => [value, { value, description: descriptions[value] }]),
  ) as Record<T, { value: T; description: string }>;
}
