"""The same network family, small enough to learn on two CPU cores in minutes: for demos and tests, not for real documents.

Pages are shrunk to 448 pixels: tables can be found, cells only just. No base weights are needed; where there are some,
`with_base_weights`, at the end, is merged over the rest.
"""

_base_ = ["./config_3_cls_w18.py"]

channels = (8, 16, 32, 64)
width = 32
scale = (448, 448)


def bbox_head(target_stds):
    return dict(
        type="Shared2FCBBoxHead",
        in_channels=width,
        fc_out_channels=64,
        roi_feat_size=7,
        num_classes=3,
        reg_class_agnostic=True,
        bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0, 0.0, 0.0, 0.0], target_stds=target_stds),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
        loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0),
    )


def rcnn_stage(iou):
    return dict(
        assigner=dict(
            type="MaxIoUAssigner",
            pos_iou_thr=iou,
            neg_iou_thr=iou,
            min_pos_iou=iou,
            match_low_quality=False,
            ignore_iof_thr=-1,
        ),
        sampler=dict(type="RandomSampler", num=128, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True),
        pos_weight=-1,
        debug=False,
    )


model = dict(
    backbone=dict(
        norm_eval=False,
        extra=dict(
            stage1=dict(num_blocks=(1,), num_channels=(16,)),
            stage2=dict(num_modules=1, num_blocks=(1, 1), num_channels=channels[:2]),
            stage3=dict(num_modules=1, num_blocks=(1, 1, 1), num_channels=channels[:3]),
            stage4=dict(num_modules=1, num_blocks=(1, 1, 1, 1), num_channels=channels),
        ),
    ),
    neck=dict(in_channels=list(channels), out_channels=width),
    rpn_head=dict(
        in_channels=width,
        feat_channels=width,
        # Matching anchors with boxes is a third of a step's time on a CPU: 3 a place instead of 8, 16 to 256 pixels in size.
        anchor_generator=dict(scales=[4], ratios=[0.1, 0.33, 1.0]),
    ),
    roi_head=dict(
        # Two samples a bin: as many as a box needs, as in the big network, cost a tenth of a step on a CPU.
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2), out_channels=width),
        bbox_head=[
            bbox_head([0.1, 0.1, 0.2, 0.2]),
            bbox_head([0.05, 0.05, 0.1, 0.1]),
            bbox_head([0.033, 0.033, 0.067, 0.067]),
        ],
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=300, max_per_img=200),
        # Gentler than the big network's .5, .7, .9, which this one does not reach in so short a time.
        rcnn=[rcnn_stage(0.5), rcnn_stage(0.6), rcnn_stage(0.7)],
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=200), rcnn=dict(max_per_img=200)),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomResize", scale=scale, ratio_range=(0.75, 1.25), keep_ratio=True),
    dict(
        type="PhotoMetricDistortion",
        brightness_delta=24,
        contrast_range=(0.8, 1.2),
        saturation_range=(0.8, 1.2),
        hue_delta=9,
    ),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=scale, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    # Few documents make short epochs: each page is used twice in one, at different scales.
    dataset=dict(
        _delete_=True,
        type="RepeatDataset",
        times=2,
        dataset=dict(
            type="CocoDataset", filter_cfg=dict(filter_empty_gt=False, min_size=32), pipeline=train_pipeline
        ),
    ),
)
val_dataloader = dict(num_workers=0, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(num_workers=0, dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=8)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=0.004, weight_decay=1e-4),
    clip_grad=dict(max_norm=10, norm_type=2),
)
auto_scale_lr = dict(enable=False)

# All of the above is for random weights already.
without_base_weights = dict(_delete_=True)
# At the rate that learns from random weights, a network forgets what its base weights knew.
with_base_weights = dict(train_cfg=dict(max_epochs=6), optim_wrapper=dict(optimizer=dict(lr=0.0005)))
