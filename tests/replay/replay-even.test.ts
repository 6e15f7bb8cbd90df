import { playRecorded } from './play.ts';

playRecorded(0);
