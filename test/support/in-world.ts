// A world of its own for each test of a file, with a database of its own.
import { freshDatabase } from './postgres.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

export async function inWorld(options: WorldOptions, work: (world: World) => Promise<void>): Promise<void> {
  const database = await freshDatabase();
  const world = await openWorld(database.url, options);
  try {
    await work(world);
  } finally {
    await world.close();
    await database.drop();
  }
}
