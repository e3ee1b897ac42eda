/** The sensors of this PC: readings from the OS, and how the mesh hears of them. */
export { createSensors } from './sensors.ts'
export type { InterfaceRate, Sample, SensorOptions, Sensors } from './sensors.ts'
export type { Battery, Facts } from './source.ts'
export { capacityOf, dynamicAd, graphicsNames, staticAd } from './advertise.ts'
export type { OwnDynamic, OwnStatic } from './advertise.ts'
export { HardwareReport } from './hardware-rows.ts'
