"""Tables, cells and headers on rendered pages: Cascade R-CNN on HRNetV2p-W18, for one GPU or several.

The default of `--config`. An ordinary mmdetection 3.x config; the trainer fills in the rest: where the images lie, the classes, the
number of epochs, the seed, and the learning-rate steps at 80 % and 95 % of the epochs. Pages are rendered at 120 dpi, about 992 x 1403
pixels for A4. Nothing is fetched from the network: base weights come from `--load-from` (docs/base-weights.md) or not at all; then
`without_base_weights`, at the end, is merged over the rest.

The network is that of mmdetection's hrnet/cascade-rcnn_hrnetv2p-w18-20e (Wang et al., "Deep High-Resolution Representation Learning",
arXiv:1908.07919; Cai and Vasconcelos, "Cascade R-CNN", arXiv:1906.09756) with anchors for what is long and thin on a page, one box
regressor for all classes, and the augmentation of DETR (Carion et al., arXiv:2005.12872).
"""

default_scope = "mmdet"
num_classes = 3


def bbox_head(target_stds):
    """One stage of the cascade; each refines the boxes of the one before, so its targets are scaled by a smaller spread."""
    return dict(
        type="Shared2FCBBoxHead",
        in_channels=256,
        fc_out_channels=1024,
        roi_feat_size=7,
        num_classes=num_classes,
        reg_class_agnostic=True,
        bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0, 0.0, 0.0, 0.0], target_stds=target_stds),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
        loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0),
    )


def rcnn_stage(iou):
    """How one stage of the cascade chooses its 512 training boxes: those with at least `iou` overlap are positive."""
    return dict(
        assigner=dict(
            type="MaxIoUAssigner",
            pos_iou_thr=iou,
            neg_iou_thr=iou,
            min_pos_iou=iou,
            match_low_quality=False,
            ignore_iof_thr=-1,
        ),
        sampler=dict(type="RandomSampler", num=512, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True),
        pos_weight=-1,
        debug=False,
    )


model = dict(
    type="CascadeRCNN",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type="HRNet",
        # Batches of one page say little about statistics, so those of the base weights are kept. Where they bring none, the trainer
        # turns this off, and on again as `freeze_norm_after` says.
        norm_eval=True,
        extra=dict(
            stage1=dict(num_modules=1, num_branches=1, block="BOTTLENECK", num_blocks=(4,), num_channels=(64,)),
            stage2=dict(num_modules=1, num_branches=2, block="BASIC", num_blocks=(4, 4), num_channels=(18, 36)),
            stage3=dict(num_modules=4, num_branches=3, block="BASIC", num_blocks=(4, 4, 4), num_channels=(18, 36, 72)),
            stage4=dict(
                num_modules=3, num_branches=4, block="BASIC", num_blocks=(4, 4, 4, 4), num_channels=(18, 36, 72, 144)
            ),
        ),
    ),
    neck=dict(type="HRFPN", in_channels=[18, 36, 72, 144], out_channels=256, num_outs=5),
    rpn_head=dict(
        type="RPNHead",
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type="AnchorGenerator", scales=[2, 8], ratios=[0.1, 0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
        ),
        bbox_coder=dict(
            type="DeltaXYWHBBoxCoder", target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[1.0, 1.0, 1.0, 1.0]
        ),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type="SmoothL1Loss", beta=1.0 / 9.0, loss_weight=1.0),
    ),
    roi_head=dict(
        type="CascadeRoIHead",
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=[
            bbox_head([0.1, 0.1, 0.2, 0.2]),
            bbox_head([0.05, 0.05, 0.1, 0.1]),
            bbox_head([0.033, 0.033, 0.067, 0.067]),
        ],
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=-1,
            ),
            sampler=dict(type="RandomSampler", num=256, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False),
            allowed_border=0,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(nms_pre=2000, max_per_img=2000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=[rcnn_stage(0.5), rcnn_stage(0.7), rcnn_stage(0.9)],
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=1000, max_per_img=1000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        # Neighbouring cells hardly overlap, hence the low NMS threshold; a dense page holds hundreds of them.
        rcnn=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.05), max_per_img=1000),
    ),
)

# A page has one table and hundreds of cells: each stage of the cascade learns from as many boxes of each category, as far as there are
# some (docs/training.md).
balance_categories = True

# Where base weights bring no statistics of batch normalization, they are learned, and frozen after this part of the epochs: a step sees
# one page, and the network that learns from its statistics is not the one that is evaluated with their average (docs/training.md).
freeze_norm_after = 0.25

# Short side, long side at most. RandomChoiceResize keeps the ratio.
short_sides = [(short, 1333) for short in range(480, 801, 32)]

# Pages are not mirrored: text never is.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="RandomChoice",
        transforms=[
            [dict(type="RandomChoiceResize", scales=short_sides, keep_ratio=True)],
            [
                dict(type="RandomChoiceResize", scales=[(400, 4200), (500, 4200), (600, 4200)], keep_ratio=True),
                dict(type="RandomCrop", crop_type="absolute_range", crop_size=(384, 600), allow_negative_crop=True),
                dict(type="RandomChoiceResize", scales=short_sides, keep_ratio=True),
            ],
        ],
    ),
    dict(type="PackDetInputs"),
]

test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1333, 800), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(
        type="CocoDataset",
        # A page without a table teaches too: what is no table.
        filter_cfg=dict(filter_empty_gt=False, min_size=32),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="CocoDataset", test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="CocoMetric", metric="bbox", classwise=True)
test_evaluator = val_evaluator

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=20, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.0012, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35, norm_type=2),
)
# The learning rate is meant for 8 images a step and follows the real number.
auto_scale_lr = dict(enable=True, base_batch_size=8)
param_scheduler = [
    dict(type="LinearLR", start_factor=1.0 / 3, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=20, milestones=[16, 19], gamma=0.1),
]

# What learns from random weights, where the above, meant for base weights, learns nothing (He et al., "Rethinking ImageNet
# Pre-training", arXiv:1811.08883: batch normalization must learn, the warm-up be longer, and the training several times as long; for
# the last use --num-epoch). It changes no tensor of the network, so that the model can be the base weights of the next training.
without_base_weights = dict(
    # A step sees one page a GPU: statistics are averaged over some 50 pages instead of 10, and over the GPUs of a step.
    model=dict(backbone=dict(norm_eval=False, norm_cfg=dict(type="BN", momentum=0.02))),
    sync_bn="torch",
    optim_wrapper=dict(
        optimizer=dict(_delete_=True, type="AdamW", lr=2e-4, weight_decay=0.05),
        paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    ),
    # AdamW's steps do not grow with the number of images.
    auto_scale_lr=dict(enable=False),
    param_scheduler=[
        dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
        dict(type="MultiStepLR", by_epoch=True, begin=0, end=20, milestones=[16, 19], gamma=0.1),
    ],
)

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=10),
    param_scheduler=dict(type="ParamSchedulerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
env_cfg = dict(
    cudnn_benchmark=False,
    # OpenCV would start a thread per core in each data worker.
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True)
log_level = "INFO"
