// busybox alone: a shell and small tools. Every other image has the same as its ground.
import { nothing, type Recipe } from './recipe.ts';

export const busybox: Recipe = {
  name: 'busybox',
  madeFrom: 'Debian packages',
  packages: ['busybox-static'],
  take: /^busybox-static$/,
  version: { ofPackage: /^busybox-static$/ },
  keep: ['usr/bin/busybox'],
  leave: nothing,
  links: {},
  user: undefined,
  folders: [],
  files: [],
  config: { environment: {}, entrypoint: [], command: ['sh'], folder: '/', asRoot: true },
};
