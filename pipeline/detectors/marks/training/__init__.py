"""How the mark network was made: pack the inputs, draw composites, train, export. Needs torch and skia-python.

    python -m pipeline.detectors.marks.training.pack --icons FOLDER --ground FOLDER ... --fonts FOLDER ... --out PACK
    python -m pipeline.detectors.marks.training.composites --pack PACK --count 30000 --out COMPOSITES
    python -m pipeline.detectors.marks.training.train --composites COMPOSITES --minutes 60 --out marks.pt
    python -m pipeline.detectors.marks.training.export --weights marks.pt --out marks.onnx

The model card beside the weights says what went in, and in which steps. Nothing of this is imported when pictures are
looked at.
"""
