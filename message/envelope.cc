// envelope
