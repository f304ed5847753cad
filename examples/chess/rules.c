/* The rules of chess: which moves there are, and what they make of a position. */
#include "chess.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const signed char knight_steps[] = {-33, -31, -18, -14, 14, 18, 31, 33};
/* The first four are a bishop's, the others a rook's. */
static const signed char king_steps[] = {-17, -15, 15, 17, -16, -1, 1, 16};

static unsigned char *king_of(struct position *p, int side) { return &p->king[side < 0]; }

int attacked(const struct position *p, int square, int by) {
    for (int i = 0; i < 8; i++) {
        int at = square + knight_steps[i];
        if (!is_off(at) && p->board[at] == by * KNIGHT)
            return 1;
        int slider = i < 4 ? BISHOP : ROOK;
        at = square + king_steps[i];
        if (!is_off(at) && p->board[at] == by * KING)
            return 1;
        for (; !is_off(at); at += king_steps[i]) {
            int piece = p->board[at] * by;
            if (piece == slider || piece == QUEEN)
                return 1;
            if (piece != EMPTY)
                break;
        }
    }
    for (int side = -1; side <= 1; side += 2) {
        int at = square - 16 * by + side;
        if (!is_off(at) && p->board[at] == by * PAWN)
            return 1;
    }
    return 0;
}

int in_check(const struct position *p) { return attacked(p, p->king[p->side < 0], -p->side); }

static int add(struct move *list, int count, int from, int to, int promotion) {
    list[count] = (struct move){(unsigned char)from, (unsigned char)to, (unsigned char)promotion};
    return count + 1;
}

static int add_pawn(struct move *list, int count, int from, int to) {
    if (to >> 4 != 0 && to >> 4 != 7)
        return add(list, count, from, to, EMPTY);
    for (int promotion = QUEEN; promotion >= KNIGHT; promotion--)
        count = add(list, count, from, to, promotion);
    return count;
}

int generate(const struct position *p, struct move *list, int captures_only) {
    int count = 0, side = p->side;
    for (int from = 0; from < 128; from = following(from)) {
        int piece = p->board[from] * side;
        if (piece <= EMPTY)
            continue;
        if (piece == PAWN) {
            int to = from + 16 * side, first = side > 0 ? 1 : 6, last = side > 0 ? 6 : 1;
            if (p->board[to] == EMPTY && (!captures_only || from >> 4 == last)) {
                count = add_pawn(list, count, from, to);
                if (from >> 4 == first && p->board[to + 16 * side] == EMPTY)
                    count = add(list, count, from, to + 16 * side, EMPTY);
            }
            for (int take = to - 1; take <= to + 1; take += 2)
                if (!is_off(take) && (p->board[take] * side < 0 || take == p->en_passant))
                    count = add_pawn(list, count, from, take);
            continue;
        }
        const signed char *steps = piece == KNIGHT ? knight_steps : king_steps;
        for (int i = piece == ROOK ? 4 : 0; i < (piece == BISHOP ? 4 : 8); i++)
            for (int to = from + steps[i]; !is_off(to); to += steps[i]) {
                int there = p->board[to] * side;
                if (there > 0)
                    break;
                if (there < 0 || !captures_only)
                    count = add(list, count, from, to, EMPTY);
                if (there < 0 || piece == KNIGHT || piece == KING)
                    break;
            }
    }
    int king = p->king[side < 0], rights = side > 0 ? p->castling : p->castling >> 2;
    if (captures_only || !(rights & 3) || attacked(p, king, -side))
        return count;
    if (rights & 1 && !p->board[king + 1] && !p->board[king + 2] && !attacked(p, king + 1, -side))
        count = add(list, count, king, king + 2, EMPTY);
    if (rights & 2 && !p->board[king - 1] && !p->board[king - 2] && !p->board[king - 3] && !attacked(p, king - 1, -side))
        count = add(list, count, king, king - 2, EMPTY);
    return count;
}

/* Rights that are lost when something moves from or to this square. */
static int castling_at(int square) {
    switch (square) {
    case 0x00: return 2;
    case 0x04: return 3;
    case 0x07: return 1;
    case 0x70: return 8;
    case 0x74: return 12;
    case 0x77: return 4;
    default: return 0;
    }
}

int play(const struct position *before, struct move move, struct position *p) {
    *p = *before;
    int side = p->side, piece = p->board[move.from] * side, step = 16 * side;
    p->quiet = piece == PAWN || p->board[move.to] ? 0 : (unsigned char)(p->quiet + (p->quiet < 255));
    p->board[move.to] = (signed char)(move.promotion ? move.promotion * side : p->board[move.from]);
    p->board[move.from] = EMPTY;
    p->castling &= (unsigned char)~(castling_at(move.from) | castling_at(move.to));
    if (piece == PAWN && move.to == p->en_passant)
        p->board[move.to - step] = EMPTY;
    p->en_passant = (unsigned char)(piece == PAWN && move.to == move.from + 2 * step ? move.from + step : NOWHERE);
    if (piece == KING) {
        *king_of(p, side) = move.to;
        if (abs(move.to - move.from) == 2) { /* castling: the rook jumps over */
            int corner = move.to > move.from ? move.to + 1 : move.to - 2, middle = (move.from + move.to) / 2;
            p->board[middle] = p->board[corner];
            p->board[corner] = EMPTY;
        }
    }
    p->side = (signed char)-side;
    return !attacked(p, *king_of(p, side), -side);
}

unsigned long perft(const struct position *p, int depth) {
    if (depth == 0)
        return 1;
    struct move moves[MOST_MOVES];
    struct position next;
    unsigned long games = 0;
    for (int i = 0, count = generate(p, moves, 0); i < count; i++)
        if (play(p, moves[i], &next))
            games += perft(&next, depth - 1);
    return games;
}

int read_position(const char *text, struct position *into) {
    struct position p = {.en_passant = NOWHERE, .king = {NOWHERE, NOWHERE}};
    int square = 0x70;
    for (; *text && *text != ' '; text++) {
        const char *letter = strchr(piece_letters + 1, toupper(*text));
        if (*text == '/' && (square & 15) == 8) {
            square -= 24;
        } else if (isdigit((unsigned char)*text) && (square & 15) + *text - '0' <= 8) {
            square += *text - '0';
        } else if (letter && !is_off(square)) {
            int side = isupper((unsigned char)*text) ? WHITE : BLACK, piece = (int)(letter - piece_letters);
            if (piece == KING)
                *king_of(&p, side) = (unsigned char)square;
            p.board[square++] = (signed char)(side * piece);
        } else {
            return 0;
        }
        if (square < 0)
            return 0;
    }
    char side = 'w', rights[5] = "", passant[3] = "";
    sscanf(text, " %c %4s %2s", &side, rights, passant);
    p.side = side == 'b' ? BLACK : WHITE;
    for (int i = 0; i < 4; i++) {
        int home = i < 2 ? 0x04 : 0x74, corner = home + (i % 2 ? -4 : 3), of = i < 2 ? WHITE : BLACK;
        if (strchr(rights, "KQkq"[i]) && p.board[home] == of * KING && p.board[corner] == of * ROOK)
            p.castling |= (unsigned char)(1 << i);
    }
    if (passant[0] >= 'a' && passant[0] <= 'h' && (passant[1] == '3' || passant[1] == '6'))
        p.en_passant = (unsigned char)((passant[1] - '1') * 16 + passant[0] - 'a');
    if (is_off(p.king[0]) || is_off(p.king[1]) || attacked(&p, p.king[p.side > 0], p.side))
        return 0;
    *into = p;
    return 1;
}
