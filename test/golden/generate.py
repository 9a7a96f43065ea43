"""Writes the golden files of this folder with the public `ultralytics` package as the reference. README.md says what is in them.

    python -m venv venv && venv/bin/pip install ultralytics==8.4.190 torch safetensors faster-coco-eval
    venv/bin/python test/golden/generate.py --out test/golden [--seed 0] [--nc 3] [--init test/golden/training.safetensors]

For development alone: it calls that package, which is under the AGPL-3.0 and of which nothing is copied here, and is itself,
like the rest of this repository, under the Apache License 2.0.
"""
import argparse, copy, json, math, random, types
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from ultralytics.cfg import get_cfg
from ultralytics.data.augment import LetterBox, RandomHSV, RandomPerspective
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.instance import Instances
from ultralytics.utils.metrics import ap_per_class, bbox_iou, box_iou
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.torch_utils import ModelEMA

ap = argparse.ArgumentParser()
ap.add_argument("--out", default=".")
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--nc", type=int, default=3)
ap.add_argument("--init", help="training.safetensors whose init.* is taken over: 400 steps of training a start anew amplify rounding, "
                "which differs between machines")
A = ap.parse_args()
OUT = Path(A.out)
OUT.mkdir(parents=True, exist_ok=True)
torch.set_num_threads(2)


def seed(k):
    random.seed(A.seed * 1000 + k); np.random.seed(A.seed * 1000 + k); torch.manual_seed(A.seed * 1000 + k)


def save(name, tensors, **meta):
    save_file({k: torch.as_tensor(np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v).contiguous().clone()
               for k, v in tensors.items()}, OUT / f"{name}.safetensors", {k: json.dumps(v) for k, v in meta.items()})


def tiny_cfg(nc=A.nc):
    import yaml
    from ultralytics import __file__ as f
    y = yaml.safe_load((Path(f).parent / "cfg/models/v8/yolov8.yaml").read_text())
    y["scales"] = {"t": [0.33, 0.0625, 1024]}  # depth, width, max_channels
    y["scale"], y["nc"] = "t", nc
    return y


def build():
    m = DetectionModel(tiny_cfg(), ch=3, nc=A.nc, verbose=False)
    m.args = get_cfg(overrides={"box": 7.5, "cls": 0.5, "dfl": 1.5})
    m.nc, m.names = A.nc, {i: f"class{i}" for i in range(A.nc)}
    return m


def boxes_px(n, w, h, lo=18):
    """n boxes, xyxy in pixels, every side at least lo (both conventions for tiny boxes agree above 16 px)."""
    bw, bh = np.random.uniform(lo, w * 0.7, n), np.random.uniform(lo, h * 0.7, n)
    x1, y1 = np.random.uniform(0, w - bw), np.random.uniform(0, h - bh)
    return np.stack([x1, y1, x1 + bw, y1 + bh], 1).astype(np.float32)


def batch_of(bs, h, w, counts):
    img = np.random.randint(0, 256, (bs, h, w, 3), dtype=np.uint8)
    img = np.stack([cv2.GaussianBlur(i, (7, 7), 3) for i in img])
    bi, cl, bb = [], [], []
    for b, n in enumerate(counts):
        for x1, y1, x2, y2 in boxes_px(n, w, h):
            c = np.random.randint(A.nc)
            cv2.rectangle(img[b], (int(x1), int(y1)), (int(x2), int(y2)), [(220, 40, 40), (40, 220, 40), (40, 40, 220)][c % 3], -1)
            bi.append(b); cl.append([c]); bb.append([(x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h])
    t = torch.as_tensor
    return {"img_u8": img, "img": t(img).permute(0, 3, 1, 2).float() / 255, "batch_idx": t(bi).float(),
            "cls": t(cl).float().view(-1, 1), "bboxes": t(np.array(bb, np.float32)).view(-1, 4)}


# 1. the network: weights, an input, what comes out in training and in inference mode ------------------------------
seed(1)
model = build()
for m in model.modules():  # statistics and affine terms of a trained network rather than 0 and 1
    if isinstance(m, torch.nn.BatchNorm2d):
        m.running_mean.normal_(0, 0.1); m.running_var.uniform_(0.5, 1.5)
        m.weight.data.uniform_(0.7, 1.3); m.bias.data.normal_(0, 0.1)
sd = {k: v for k, v in model.state_dict().items() if v.dtype.is_floating_point}
x = torch.rand(2, 3, 96, 128)
taps = {}
hooks = [model.model[i].register_forward_hook(lambda _, __, o, i=i: taps.__setitem__(f"layer{i}", o.detach().clone()))
         for i in (0, 2, 4, 6, 9, 12, 15, 18, 21)]
model.eval()
with torch.no_grad():
    y, aux = model(x)
ev = {f"eval.{k}": v.permute(0, 2, 3, 1) for k, v in taps.items()}
ev |= {"eval.decoded": y, "eval.boxes": aux["boxes"], "eval.scores": aux["scores"]}
model.train()
stats = copy.deepcopy(model.state_dict())
with torch.no_grad():
    o = model(x)
tr = {"train.boxes": o["boxes"], "train.scores": o["scores"],
      "train.layer21": taps["layer21"].permute(0, 2, 3, 1),
      "train.running_mean.model.0.bn": model.model[0].bn.running_mean, "train.running_var.model.0.bn": model.model[0].bn.running_var}
for h in hooks:
    h.remove()
model.load_state_dict(stats)
save("model", {"input": x.permute(0, 2, 3, 1), **ev, **tr, **{f"weights.{k}": v for k, v in sd.items()}},
     yaml=tiny_cfg(), nc=A.nc, parameters=sum(p.numel() for p in model.parameters()))

# 2. the loss: head outputs and labels in; assignment, loss terms and gradients out ---------------------------------
seed(2)
model.train()
b = batch_of(3, 128, 160, [5, 0, 9])
preds = model(b["img"])
noise = {k: (preds[k].detach() + torch.randn_like(preds[k]) * (2.0 if k == "boxes" else 1.0)).requires_grad_() for k in ("boxes", "scores")}
crit = model.init_criterion()
grab = {}
orig = crit.assigner.forward
crit.assigner.forward = lambda *a, **k: grab.setdefault("out", orig(*a, **k))
loss, items = crit({**noise, "feats": preds["feats"]}, b)
loss.sum().backward()
_, tb, ts, fg, gi = grab["out"]
save("loss", {"boxes": noise["boxes"], "scores": noise["scores"], "batch_idx": b["batch_idx"], "cls": b["cls"], "bboxes": b["bboxes"],
              "loss": loss.detach(), "items": torch.stack([items[k].float() for k in ("box_loss", "cls_loss", "dfl_loss")]),
              "grad.boxes": noise["boxes"].grad, "grad.scores": noise["scores"].grad,
              "tal.fg": fg.to(torch.uint8), "tal.gt_idx": gi.int(), "tal.target_scores": ts, "tal.target_bboxes": tb},
     imgsz=[128, 160], strides=[8, 16, 32], gains={"box": 7.5, "cls": 0.5, "dfl": 1.5})
b1, b2 = torch.as_tensor(boxes_px(64, 200, 200)), torch.as_tensor(boxes_px(64, 200, 200))
b2[:8] = b1[:8]
b1g = b1.clone().requires_grad_()
ci = bbox_iou(b1g, b2, xywh=False, CIoU=True).squeeze(-1)
ci.sum().backward()
save("ciou", {"boxes1": b1, "boxes2": b2, "ciou": ci.detach(), "iou": bbox_iou(b1, b2, xywh=False).squeeze(-1), "grad.boxes1": b1g.grad})

# 3. non-maximum suppression ----------------------------------------------------------------------------------------
seed(3)
n = 400
p = torch.zeros(2, 4 + A.nc, n)
ctr = torch.rand(2, 12, 2) * 300 + 50
pick = torch.randint(0, 12, (2, n))
p[:, :2] = (torch.gather(ctr, 1, pick[..., None].expand(-1, -1, 2)) + torch.randn(2, n, 2) * 6).transpose(1, 2)
p[:, 2:4] = 40 + torch.rand(2, 2, n) * 30
p[:, 4:] = torch.rand(2, A.nc, n) ** 4
cases = {"predict": dict(conf_thres=0.25, iou_thres=0.7), "val": dict(conf_thres=0.001, iou_thres=0.7, multi_label=True),
         "agnostic": dict(conf_thres=0.25, iou_thres=0.45, agnostic=True), "classes": dict(conf_thres=0.25, iou_thres=0.7, classes=[1]),
         "max_det": dict(conf_thres=0.001, iou_thres=0.7, multi_label=True, max_det=7)}
out = {"prediction": p}
for k, a in cases.items():
    for i, d in enumerate(non_max_suppression(p.clone(), **a)):
        out[f"{k}.{i}"] = d
save("nms", out, cases=cases)

# 4. mean average precision: per-image detections and labels in, P R mAP out, and COCO's own evaluation ------------
seed(4)
iouv = np.linspace(0.5, 0.95, 10)
dets, gts, tps = [], [], []
for i in range(24):
    g = boxes_px(np.random.randint(0, 9), 320, 240); gc = np.random.randint(0, A.nc, len(g))
    keep = np.random.rand(len(g)) < 0.85
    d = g[keep] + np.random.normal(0, 5, (keep.sum(), 4)).astype(np.float32); dc = np.where(np.random.rand(keep.sum()) < 0.85, gc[keep], np.random.randint(0, A.nc, keep.sum()))
    dup = np.random.rand(len(d)) < 0.3  # a second, worse detection of the same object
    d = np.concatenate([d, d[dup] + np.random.normal(0, 4, (dup.sum(), 4)).astype(np.float32), boxes_px(np.random.randint(0, 4), 320, 240)]).astype(np.float32)
    dc = np.concatenate([dc, dc[dup], np.random.randint(0, A.nc, len(d) - len(dc) - dup.sum())])
    s = np.random.permutation(np.linspace(0.02, 0.98, len(d))).astype(np.float32) if len(d) else np.zeros(0, np.float32)
    s += np.random.uniform(0, 1e-3, len(d)).astype(np.float32)
    o_ = np.argsort(-s); d, dc, s = d[o_], dc[o_], s[o_]
    iou = box_iou(torch.as_tensor(g), torch.as_tensor(d)).numpy() if len(g) and len(d) else np.zeros((len(g), len(d)))
    from ultralytics.engine.validator import BaseValidator
    v = types.SimpleNamespace(iouv=torch.linspace(0.5, 0.95, 10))
    tp = BaseValidator.match_predictions(v, torch.as_tensor(dc), torch.as_tensor(gc), torch.as_tensor(iou)).numpy() if len(d) else np.zeros((0, 10), bool)
    dets.append(np.concatenate([d, s[:, None], dc[:, None]], 1).astype(np.float32)); gts.append(np.concatenate([gc[:, None], g], 1).astype(np.float32)); tps.append(tp)
tp, conf, pc, tc = np.concatenate(tps), np.concatenate([d[:, 4] for d in dets]), np.concatenate([d[:, 5] for d in dets]), np.concatenate([g[:, 0] for g in gts])
r = ap_per_class(tp, conf, pc, tc)
idx = lambda L: np.concatenate([np.full(len(v), i) for i, v in enumerate(L)]).astype(np.int32)
coco_gt = {"images": [{"id": i, "width": 320, "height": 240} for i in range(24)], "categories": [{"id": c, "name": str(c)} for c in range(A.nc)], "annotations": []}
for i, g in enumerate(gts):
    for c, x1, y1, x2, y2 in g.tolist():
        coco_gt["annotations"].append({"id": len(coco_gt["annotations"]) + 1, "image_id": i, "category_id": int(c), "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0})
coco_dt = [{"image_id": i, "category_id": int(c), "bbox": [x1, y1, x2 - x1, y2 - y1], "score": s} for i, d in enumerate(dets) for x1, y1, x2, y2, s, c in d.tolist()]
from faster_coco_eval import COCO, COCOeval_faster
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()):
    G = COCO(coco_gt); E = COCOeval_faster(G, G.loadRes(coco_dt), "bbox"); E.run()
save("metrics", {"detections": np.concatenate(dets), "detections.image": idx(dets), "labels": np.concatenate(gts), "labels.image": idx(gts),
                 "tp": tp.astype(np.uint8), "p": r[2], "r": r[3], "f1": r[4], "ap": r[5], "classes": r[6].astype(np.int32), "coco.stats": np.array(E.stats[:12], np.float64)},
     map50=float(r[5][:, 0].mean()), map=float(r[5].mean()))

# 5. training: the gradient of one batch by every weight, then optimiser steps on fixed batches --------------------
seed(5)
model = build()
model.train()
model.model[-1].dfl.conv.weight.requires_grad_(False)
batches = [batch_of(4, 96, 96, [2, 1, 0, 3]) for _ in range(4)]
if A.init:
    model.load_state_dict({k[5:]: v for k, v in load_file(A.init).items() if k.startswith("init.")}, strict=False)
else:  # away from a random start, where the assignment flips on the last bit of a float
    warm = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for i in range(400):
        warm.zero_grad(); model(batches[i % 4])[0].sum().backward(); warm.step()
init = {f"init.{k}": v.clone() for k, v in model.state_dict().items() if v.dtype.is_floating_point}
frozen = copy.deepcopy(model.state_dict())
model.zero_grad()
loss, items = model(batches[0])
loss.sum().backward()
T = {f"grad.{k}": p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}
T["items"] = torch.stack([items[k].float() for k in ("box_loss", "cls_loss", "dfl_loss")])
model.load_state_dict(frozen); model.zero_grad()

H = dict(lr0=0.01, momentum=0.937, weight_decay=0.0005, warmup_bias_lr=0.1, warmup_momentum=0.8, epochs=4, lrf=0.01, nbs=8, batch=4, batches_per_epoch=4, warmup_iterations=6, clip_norm=10.0)
WARM = H["warmup_iterations"]
FULL = round(H["nbs"] / H["batch"])  # batches in a step after the warm-up
DECAY = H["weight_decay"] * H["batch"] * FULL / H["nbs"]


def ramp(i, start, end):
    """From start to end over the warm-up."""
    return start + (end - start) * min(i / WARM, 1)


def settings(i):
    """Batches in a step, learning rate by group and momentum for batch i, in the published recipe with a linear schedule."""
    lr = H["lr0"] * (1 + (H["lrf"] - 1) * (i // H["batches_per_epoch"]) / H["epochs"])
    if i > WARM:
        return FULL, {"bias": lr, "weight": lr, "bn": lr}, H["momentum"]
    other = ramp(i, 0.0, lr)
    rates = {"bias": ramp(i, H["warmup_bias_lr"], lr), "weight": other, "bn": other}
    return max(1, round(ramp(i, 1, FULL))), rates, ramp(i, H["warmup_momentum"], H["momentum"])


def run(model, groups, backward, epochs, clip):
    """backward(i) leaves gradients behind. Returns one row a batch, and the EMA."""
    kinds = [dict(params=p, kind=k, weight_decay=DECAY if k == "weight" else 0.0) for k, p in groups.items()]
    opt = torch.optim.SGD(kinds, lr=H["lr0"], momentum=H["momentum"], nesterov=True)
    ema, rows, last = ModelEMA(model), [], -1
    for i in range(epochs * H["batches_per_epoch"]):
        batches_in_step, rates, momentum = settings(i)
        for group in opt.param_groups:
            group["lr"], group["momentum"] = rates[group["kind"]], momentum
        items, norm = backward(i), 0.0
        stepped = i - last >= batches_in_step
        if stepped:
            norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=clip))
            opt.step(); opt.zero_grad(); ema.update(model)
            last = i
        rows.append([*items, float(stepped), norm, rates["bias"], rates["weight"], momentum])
    return np.array(rows, np.float64), ema


g = {"bias": [], "weight": [], "bn": []}
for mod in model.modules():
    for k, prm in mod.named_parameters(recurse=False):
        if prm.requires_grad:
            g["bias" if k == "bias" else "bn" if isinstance(mod, torch.nn.BatchNorm2d) else "weight"].append(prm)


def backward(ni):
    loss, items = model(batches[ni % len(batches)])
    loss.sum().backward()
    return [float(items[k]) for k in ("box_loss", "cls_loss", "dfl_loss")]


rows, ema = run(model, g, backward, 2, H["clip_norm"])
T |= init
for i, b in enumerate(batches):
    T |= {f"batch{i}.img": b["img_u8"], f"batch{i}.batch_idx": b["batch_idx"], f"batch{i}.cls": b["cls"], f"batch{i}.bboxes": b["bboxes"]}
T |= {f"final.{k}": v for k, v in model.state_dict().items() if v.dtype.is_floating_point}
T |= {f"ema.{k}": v for k, v in ema.ema.state_dict().items() if v.dtype.is_floating_point}
COL = ["box_loss", "cls_loss", "dfl_loss", "stepped", "grad_norm", "lr_bias", "lr_weight", "momentum"]
save("training", T | {"steps": rows}, hyperparameters=H, columns=COL, ema={"decay": 0.9999, "tau": 2000})


class Three(torch.nn.Module):  # the optimiser alone, on given gradients: one weight of each group
    def __init__(self):
        super().__init__()
        self.conv, self.bn = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)


m3 = Three()
G = [{k: torch.randn_like(p) * 3 for k, p in m3.named_parameters()} for _ in range(16)]
T = {f"init.{k}": v.clone() for k, v in m3.named_parameters()} | {f"gradient{i}.{k}": v for i, d in enumerate(G) for k, v in d.items()}


def given(ni):
    for k, p in m3.named_parameters():
        p.grad = G[ni][k].clone() if p.grad is None else p.grad + G[ni][k]
    return [0.0, 0.0, 0.0]


rows, ema = run(m3, {"bias": [m3.conv.bias, m3.bn.bias], "weight": [m3.conv.weight], "bn": [m3.bn.weight]}, given, 4, H["clip_norm"])
T |= {f"final.{k}": v for k, v in m3.named_parameters()} | {f"ema.{k}": v for k, v in ema.ema.named_parameters()}
save("optimizer", T | {"steps": rows}, hyperparameters=H, columns=COL, ema={"decay": 0.9999, "tau": 2000})

# 6. image geometry: letterbox, affine, HSV, as OpenCV does them -----------------------------------------------------
seed(6)
T, meta = {}, {}
src = cv2.GaussianBlur(np.random.randint(0, 256, (75, 118, 3), dtype=np.uint8), (5, 5), 2)  # RGB
T["image"] = src
for k, a in {"square": dict(new_shape=(96, 96)), "down": dict(new_shape=(64, 64)), "rect": dict(new_shape=(96, 96), auto=True, stride=32), "noup": dict(new_shape=(160, 160), scaleup=False)}.items():
    T[f"letterbox.{k}"] = LetterBox(**a)(image=src)
    meta[f"letterbox.{k}"] = a
for j in range(4):
    rp = RandomPerspective(degrees=10.0 * (j > 0), translate=0.1, scale=0.5, shear=5.0 * (j > 1), perspective=0.0005 * (j > 2))
    bx = boxes_px(24, 118, 75, lo=3)
    c, wh = np.random.uniform([0, 0], [118, 75], (16, 2)), np.random.uniform(2, 9, (16, 2))
    c[:8, 0], c[8:12, 1] = np.random.choice([2, 115], 8), np.random.choice([2, 72], 4)  # small ones, most at the border
    bx[:16] = np.concatenate([c - wh / 2, c + wh / 2], 1).clip(0, [118, 75, 118, 75])
    lab = {"img": src.copy(), "cls": np.arange(24, dtype=np.float32).reshape(-1, 1), "instances": Instances(bx.copy(), np.zeros((0, 1000, 2), np.float32), bbox_format="xyxy", normalized=False)}
    prm = rp.get_params(lab)
    M = next(v for v in (prm.values() if isinstance(prm, dict) else prm) if isinstance(v, np.ndarray) and v.shape == (3, 3))
    res = rp.apply_instances(rp.apply_image(lab, prm), prm)
    T |= {f"affine{j}.matrix": M.astype(np.float64), f"affine{j}.boxes_in": bx, f"affine{j}.image_out": res["img"], f"affine{j}.boxes_out": res["instances"].bboxes, f"affine{j}.kept": res["cls"].ravel().astype(np.int32)}
for j in range(3):
    st = np.random.get_state(); gains = np.random.uniform(-1, 1, 3) * [0.015, 0.7, 0.4]; np.random.set_state(st)
    bgr = np.ascontiguousarray(src[..., ::-1])
    T |= {f"hsv{j}.gains": gains, f"hsv{j}.image_out": np.ascontiguousarray(RandomHSV(0.015, 0.7, 0.4).apply_image({"img": bgr})["img"][..., ::-1])}
save("geometry", T, **meta)

# 7. the published sizes --------------------------------------------------------------------------------------------
sizes = {}
for s in "nsmlx":
    m = DetectionModel(f"yolov8{s}.yaml", verbose=False)
    sizes[s] = {"parameters_nc80": sum(p.numel() for p in m.parameters()), "channels": [int(c) for c in m.model[-1].stride.new_tensor([q[0].conv.in_channels for q in m.model[-1].cv2])],
                "shapes": {k: list(v.shape) for k, v in m.state_dict().items() if k.endswith("conv.weight")} if s == "n" else None}
(OUT / "sizes.json").write_text(json.dumps(sizes))
print({f.name: f.stat().st_size for f in sorted(OUT.iterdir())})
