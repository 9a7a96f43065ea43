/**
 * Export formats of Ultralytics 8.4 that are not written here, and how to get to each from one that is, with the tool of its
 * makers.
 */

const ADVICE: Record<string, string> = {
  torchscript: 'format=onnx for other runtimes, or format=torch for weights that PyTorch reads',
  pt: 'format=torch writes a .pt: the weights as a state dict, for torch.load(…, weights_only=True)',
  pytorch: 'format=torch writes a .pt: the weights as a state dict, for torch.load(…, weights_only=True)',
  engine: 'format=onnx, then: trtexec --onnx=model.onnx --saveEngine=model.engine (on the machine that will run it)',
  tensorrt: 'format=onnx, then: trtexec --onnx=model.onnx --saveEngine=model.engine (on the machine that will run it)',
  openvino: 'format=onnx; OpenVINO reads it as it is, or converts it: ovc model.onnx',
  coreml: 'format=saved_model, which coremltools converts on a Mac: coremltools.convert(…)',
  mlmodel: 'format=saved_model, which coremltools converts on a Mac: coremltools.convert(…)',
  tflite: 'format=saved_model, then tf.lite.TFLiteConverter.from_saved_model(…)',
  litert: 'format=saved_model, then tf.lite.TFLiteConverter.from_saved_model(…)',
  edgetpu: 'format=saved_model, then tf.lite.TFLiteConverter and edgetpu_compiler',
  pb: 'format=saved_model holds the same graph',
  paddle: 'format=onnx, then: x2paddle --framework=onnx --model=model.onnx',
  mnn: 'format=onnx, then: MNNConvert -f ONNX --modelFile model.onnx',
  ncnn: 'format=onnx, then: pnnx model.onnx',
  imx: 'format=onnx, then the converter of the camera’s maker',
  rknn: 'format=onnx, then rknn-toolkit2',
  executorch: 'format=onnx; or format=torch and export from PyTorch',
  axelera: 'format=onnx, then the compiler of the maker',
};

/** What to do instead of a format that is not written here. */
export function exportAdvice(format: string): string {
  const known = format.toLowerCase();
  return Object.hasOwn(ADVICE, known) ? ADVICE[known] : 'other runtimes import ONNX: format=onnx';
}
