//! Text to tokens and back: byte-level BPE and SentencePiece.

#![no_std]
#![forbid(unsafe_code)]
