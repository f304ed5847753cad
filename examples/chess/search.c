/* The search: all moves to some depth with alpha-beta pruning, then captures until the position is quiet. */
#include "chess.h"
#include <stdlib.h>
#include <string.h>

static const int worth[] = {0, 100, 320, 330, 500, 900, 0};
static int place[7][128]; /* what a white piece gains by standing on a square */
unsigned long nodes;

/* Pieces like the centre, pawns go forward, the king stays at home. */
void prepare_search(void) {
    for (int square = 0; square < 128; square = following(square)) {
        int rank = square >> 4, file = square & 7;
        int centre = 7 - abs(2 * rank - 7) / 2 - abs(2 * file - 7) / 2; /* 1 to 7 */
        place[PAWN][square] = rank * rank + (file == 3 || file == 4 ? 3 * rank : 0);
        place[KNIGHT][square] = 7 * centre;
        place[BISHOP][square] = 4 * centre;
        place[ROOK][square] = rank == 6 ? 15 : centre;
        place[QUEEN][square] = centre;
        place[KING][square] = -8 * rank + 3 * abs(2 * file - 7);
    }
}

/* In hundredths of a pawn, as the side to move sees it. */
int evaluate(const struct position *p) {
    int score = 0;
    for (int square = 0; square < 128; square = following(square)) {
        int piece = p->board[square];
        if (piece > 0)
            score += worth[piece] + place[piece][square];
        else if (piece < 0)
            score -= worth[-piece] + place[-piece][square ^ 0x70];
    }
    return score * p->side;
}

/* Brings to the front of a list what looks best: the move given, then much taken with little. */
static void choose(const struct position *p, struct move *list, int count, struct move first) {
    int best = 0, most = -1;
    for (int i = 0; i < count; i++) {
        int taken = abs(p->board[list[i].to]);
        int looks = taken ? 1000 + 10 * worth[taken] - worth[abs(p->board[list[i].from])] : worth[list[i].promotion];
        if (!memcmp(&list[i], &first, sizeof first))
            looks = 1 << 20;
        if (looks > most)
            most = looks, best = i;
    }
    struct move move = list[best];
    list[best] = list[0];
    list[0] = move;
}

int search(const struct position *p, int depth, int ply, int alpha, int beta, struct move *best) {
    nodes++;
    int check = in_check(p), legal = 0;
    if (p->quiet >= 100)
        return 0;
    if (depth <= 0 && check && ply < 60)
        depth = 1;
    if (depth <= 0) {
        int stand = evaluate(p);
        if (stand >= beta || ply >= 60)
            return stand;
        if (stand > alpha)
            alpha = stand;
    }
    struct move moves[MOST_MOVES], first = *best, reply;
    struct position next;
    int count = generate(p, moves, depth <= 0);
    for (int i = 0; i < count; i++) {
        choose(p, moves + i, count - i, first);
        if (!play(p, moves[i], &next))
            continue;
        legal = 1;
        reply = (struct move){0, 0, 0};
        int score = -search(&next, depth - 1, ply + 1, -beta, -alpha, &reply);
        if (score > alpha) {
            alpha = score;
            *best = moves[i];
            if (alpha >= beta)
                return alpha;
        }
    }
    if (!legal && depth > 0)
        return check ? ply - MATE : 0;
    return alpha;
}
