"""Live transcription, audio in and events out.

In the order sound takes: `stream_opening` makes a stream, `recognition` holds its place in the model, `spelling` and
`turns` make words and turns of what comes out, `transcription` is the stream itself. Who speaks is `attribution`'s:
`turn_voices`, heard at the `voice_desk`, `speaker_labels` beside them, `turn_split` and `turn_cutting` where a turn was
of several, `label_profiles` where enrolled people are asked for. Closed turns go to the `second_pass` by `rehearing`.
"""
