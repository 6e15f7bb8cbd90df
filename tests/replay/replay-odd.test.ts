import { playRecorded } from './play.ts';

playRecorded(1);
