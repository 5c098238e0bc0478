// Stands for codecs that are not in the bundle.
export default {
  fromConfig() {
    throw new Error("this array is compressed by a codec that the page does not have");
  },
};
