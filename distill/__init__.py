"""Notewright's model side: run directory → train → predict → evaluate.

In the order in which data flows:

1. ``datasets``: a run directory becomes prompt/completion examples.
2. ``students``, ``train``: a student learns from them (LoRA).
3. ``benchmarks``: held-out split or published data, as items with references.
4. ``predict``: an item becomes a prediction.
5. ``metrics``, ``statistics``: predictions and references become scores with intervals.
6. ``evaluate``, ``report``: systems side by side, with the floors that they have to clear.

``cli`` is the only module that talks to a person.
"""
