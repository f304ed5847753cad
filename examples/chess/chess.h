/* What the parts of the chess program share: positions, moves, rules, search. */
#ifndef CHESS_H
#define CHESS_H

enum piece { EMPTY, PAWN, KNIGHT, BISHOP, ROOK, QUEEN, KING };
enum { WHITE = 1, BLACK = -1 };
static const char piece_letters[] = ".PNBRQK";
enum { NOWHERE = 0x88, MOST_MOVES = 256, MATE = 30000, MATE_SOON = 29000 };

/* A square is 16 * rank + file: off the board the bits of 0x88 show it. */
struct position {
    signed char board[128]; /* a piece, that of black negative */
    signed char side;
    unsigned char castling;   /* 1, 2: white to the king's, the queen's side; 4, 8: black */
    unsigned char en_passant; /* the square a pawn has just jumped over, or NOWHERE */
    unsigned char king[2];    /* where they stand: white, black */
    unsigned char quiet;      /* moves since a pawn moved or a piece was taken; stays last */
};

struct move {
    unsigned char from, to, promotion;
};

/* rules.c */

static inline int is_off(int square) { return (square & 0x88) != 0; }
/* The next square of the board; 128 behind the last one. */
static inline int following(int square) { return (square + 9) & ~8; }

/* Whether a piece of `by` could take on this square. */
int attacked(const struct position *p, int square, int by);
int in_check(const struct position *p);
/* All moves, also those that leave the king in check; or those only that take or promote. At most MOST_MOVES. */
int generate(const struct position *p, struct move *list, int captures_only);
/* The position after a move; 0 if it leaves the king in check. */
int play(const struct position *before, struct move move, struct position *after);
/* How many games of so many moves there are: what tells that the rules are right. */
unsigned long perft(const struct position *p, int depth);
/* Reads a position in Forsyth-Edwards notation; 0 if it is none, or one in which the king could be taken. */
int read_position(const char *text, struct position *p);

/* search.c */

extern unsigned long nodes; /* positions looked at */

/* To be called once, before the first search. */
void prepare_search(void);
/* What the position is worth between alpha and beta, in hundredths of a pawn for the side to move, and the move that is worth it.
 * `*best` is looked at first. A mate in n moves of both sides is worth MATE - n. */
int search(const struct position *p, int depth, int ply, int alpha, int beta, struct move *best);

#endif
