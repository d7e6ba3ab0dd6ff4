// Makes mmcv's CUDA kernels of RoIAlign and NMS its implementation of both on a GPU, as its own cudabind.cpp does for all
// of its sixty operators. Our networks use these two alone, so a GPU check need not compile the others.
#define MMCV_WITH_CUDA
#include "info.cpp"
#include "pytorch_cpp_helper.hpp"
#include "pytorch_device_registry.hpp"

void ROIAlignForwardCUDAKernelLauncher(Tensor input, Tensor rois, Tensor output, Tensor argmax_y, Tensor argmax_x,
                                       int aligned_height, int aligned_width, float spatial_scale, int sampling_ratio,
                                       int pool_mode, bool aligned);
void ROIAlignBackwardCUDAKernelLauncher(Tensor grad_output, Tensor rois, Tensor argmax_y, Tensor argmax_x,
                                        Tensor grad_input, int aligned_height, int aligned_width, float spatial_scale,
                                        int sampling_ratio, int pool_mode, bool aligned);
Tensor NMSCUDAKernelLauncher(Tensor boxes, Tensor scores, float iou_threshold, int offset);

void roi_align_forward_impl(Tensor input, Tensor rois, Tensor output, Tensor argmax_y, Tensor argmax_x,
                            int aligned_height, int aligned_width, float spatial_scale, int sampling_ratio,
                            int pool_mode, bool aligned);
void roi_align_backward_impl(Tensor grad_output, Tensor rois, Tensor argmax_y, Tensor argmax_x, Tensor grad_input,
                             int aligned_height, int aligned_width, float spatial_scale, int sampling_ratio,
                             int pool_mode, bool aligned);
Tensor nms_impl(Tensor boxes, Tensor scores, float iou_threshold, int offset);

REGISTER_DEVICE_IMPL(roi_align_forward_impl, CUDA, ROIAlignForwardCUDAKernelLauncher);
REGISTER_DEVICE_IMPL(roi_align_backward_impl, CUDA, ROIAlignBackwardCUDAKernelLauncher);
REGISTER_DEVICE_IMPL(nms_impl, CUDA, NMSCUDAKernelLauncher);
