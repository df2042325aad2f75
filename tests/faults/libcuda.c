/* A CUDA driver as a program sees one: version 12.4, two GPUs. */
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int place) { *device = place; return 0; }
int cuDeviceGetUuid(unsigned char *uuid, int device) {
  for (int place = 0; place < 16; place++) uuid[place] = place + 16 * device;
  return 0;
}
