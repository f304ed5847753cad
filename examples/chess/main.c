/* Plays chess on the screen: with the keyboard, over the serial line, or in a terminal.
 *
 *   ./x bareflow build examples/chess -o chess.img
 *   ./x bareflow run chess.img                  # or with --hosted, here in the terminal
 *
 * Cursor keys and Enter move a piece, so does typing a move ("e2e4", "e7e8q"). The line below the board shows what the search
 * did: it gets faster from move to move, while the engine beneath it compiles what is hot.
 */
#include "chess.h"
#include <ctype.h>
#include <jit_runtime.h>
#include <runtime.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char start[] = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq -";

enum { LONGEST = 1000 };
static struct position game[LONGEST]; /* from its beginning on */
static int now;                       /* the position that stands on the board */
static struct move last_move;
static int depth = 4;

static int cursor = 0x14, picked = NOWHERE;
static char typed[70], message[160];

static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
}

static const char *name_of(struct move move) {
    static char name[6];
    snprintf(name, sizeof name, "%c%c%c%c%c", 'a' + (move.from & 7), '1' + (move.from >> 4), 'a' + (move.to & 7),
             '1' + (move.to >> 4), move.promotion ? tolower(piece_letters[move.promotion]) : 0);
    return name;
}

/* Why the game is over, or NULL. */
static const char *ending(void) {
    struct move moves[MOST_MOVES];
    struct position next;
    int count = generate(&game[now], moves, 0), same = 0;
    for (int i = 0; i < now; i++)
        same += !memcmp(&game[i], &game[now], offsetof(struct position, quiet));
    if (same >= 2 || game[now].quiet >= 100 || now + 1 >= LONGEST)
        return "draw";
    for (int i = 0; i < count; i++)
        if (play(&game[now], moves[i], &next))
            return NULL;
    return in_check(&game[now]) ? "checkmate" : "stalemate";
}

static void make(struct move move) {
    play(&game[now], move, &game[now + 1]);
    now++;
    last_move = move;
}

/* The machine's move, by looking one move deeper each time. */
static void answer(void) {
    static const char *const levels[] = {"interpreted", "O0", "O1", "O2", "O3"};
    struct move best = {0, 0, 0};
    int score = 0;
    uint64_t start = time_ns();
    nodes = 0;
    for (int deep = 1; deep <= depth; deep++)
        score = search(&game[now], deep, 0, -MATE, MATE, &best);
    double seconds = (double)(time_ns() - start) * 1e-9;
    int level = jit_get_optimization_level("search");
    char worth_it[24];
    if (abs(score) > MATE_SOON)
        snprintf(worth_it, sizeof worth_it, "mate in %d", (MATE - abs(score) + 1) / 2);
    else
        snprintf(worth_it, sizeof worth_it, "%+.2f", score / 100.0);
    const char *side = game[now].side > 0 ? "White" : "Black";
    make(best);
    say("%s plays %s (%s), %lu nodes, %.0f a second, search at %s", side, name_of(best), worth_it, nodes,
        (double)nodes / seconds, level < JIT_INTERPRETED ? "?" : levels[level + 1]);
}

/* A move as it is typed: "e2e4", "e7e8q"; 0 if it is none. */
static int read_move(const char *text, struct move *move) {
    static const char order[] = "nbrq";
    const char *promotion = strlen(text) == 5 ? strchr(order, tolower(text[4])) : NULL;
    for (int i = 0; i < 4; i++)
        if (text[i] < (i % 2 ? '1' : 'a') || text[i] > (i % 2 ? '8' : 'h'))
            return 0;
    if (text[4] && !promotion)
        return 0;
    move->from = (unsigned char)(16 * (text[1] - '1') + text[0] - 'a');
    move->to = (unsigned char)(16 * (text[3] - '1') + text[2] - 'a');
    move->promotion = (unsigned char)(promotion ? KNIGHT + (promotion - order) : EMPTY);
    return 1;
}

/* Makes the player's move, if it is one, and answers it. A pawn without a wish becomes a queen. */
static void try_move(struct move wish) {
    struct move moves[MOST_MOVES];
    struct position next;
    for (int i = 0, count = generate(&game[now], moves, 0); i < count; i++)
        if (moves[i].from == wish.from && moves[i].to == wish.to &&
            (moves[i].promotion == wish.promotion || (!wish.promotion && moves[i].promotion == QUEEN)) &&
            play(&game[now], moves[i], &next)) {
            make(moves[i]);
            say("%s", name_of(moves[i]));
            if (!ending())
                answer();
            return;
        }
    say("%s is no move here", name_of(wish));
}

static int set_up(const char *text) {
    if (!read_position(text, &game[0]))
        return 0;
    now = 0;
    last_move = (struct move){NOWHERE, NOWHERE, EMPTY};
    return 1;
}

static void text_at(int row, int column, const char *text) {
    vga_set_cursor(row, column);
    vga_puts(text);
}

/* A square is two rows of five columns. */
static void draw_square(int square) {
    int piece = game[now].board[square], row = 2 + 2 * (7 - (square >> 4)), column = 4 + 5 * (square & 7);
    int light = ((square >> 4) + square) & 1;
    int background = square == picked ? VGA_MAGENTA
                     : square == last_move.from || square == last_move.to ? VGA_GREEN
                     : light ? VGA_CYAN : VGA_BLUE;
    vga_set_color(piece > 0 ? VGA_WHITE : VGA_BLACK, background);
    char text[6] = "     ";
    if (piece)
        text[2] = (char)(piece > 0 ? piece_letters[piece] : tolower(piece_letters[-piece]));
    if (square == cursor)
        text[0] = '[', text[4] = ']';
    text_at(row, column, text);
    text_at(row + 1, column, "     ");
}

static void draw_typed(void) {
    vga_set_color(VGA_LIGHT_GREY, VGA_BLACK);
    text_at(23, 2, game[now].side > 0 ? "White: " : "Black: ");
    vga_puts(typed);
    vga_puts(" \b"); /* over what was just deleted */
    vga_show_cursor(1);
}

static void draw(void) {
    vga_show_cursor(0);
    vga_set_color(VGA_LIGHT_GREY, VGA_BLACK);
    vga_clear();
    text_at(0, 4, "Chess");
    for (int i = 0; i < 8; i++) {
        text_at(2 + 2 * (7 - i), 2, (char[]){(char)('1' + i), 0});
        text_at(18, 6 + 5 * i, (char[]){(char)('a' + i), 0});
    }
    static const char *const help[] = {"cursor keys, Enter: move a piece", "e2e4 Enter: the same, typed", "go: let the machine move",
                                       "undo: take back two moves", "depth N: how far it looks", "fen ...: set up a position",
                                       "perft N: count the games of N moves", "new, quit"};
    for (int i = 0; i < (int)(sizeof help / sizeof help[0]); i++)
        text_at(3 + i, 45, help[i]);
    for (int square = 0; square < 128; square = following(square))
        draw_square(square);
    vga_set_color(VGA_YELLOW, VGA_BLACK);
    text_at(20, 2, message);
    const char *over = ending();
    vga_set_color(VGA_LIGHT_RED, VGA_BLACK);
    text_at(21, 2, over ? over : in_check(&game[now]) ? "check" : "");
    draw_typed();
}

/* What was typed; 0 for "quit". */
static int obey(const char *command) {
    static struct move move;
    int number;
    if (!strcmp(command, "quit"))
        return 0;
    if (!strcmp(command, "new")) {
        set_up(start);
        say("A new game");
    } else if (!strncmp(command, "fen ", 4)) {
        say(set_up(command + 4) ? "Set up" : "That is no position");
    } else if (sscanf(command, "depth %d", &number) == 1 && number >= 1 && number <= 20) {
        depth = number;
        say("Looking %d moves ahead", depth);
    } else if (sscanf(command, "perft %d", &number) == 1 && number >= 0 && number <= 7) {
        say("%lu games of %d moves", perft(&game[now], number), number);
    } else if (!strcmp(command, "undo") && now >= 2) {
        now -= 2;
        last_move = (struct move){NOWHERE, NOWHERE, EMPTY};
        say("Two moves taken back");
    } else if (ending()) {
        say("The game is over: type new");
    } else if (!strcmp(command, "go")) {
        answer();
    } else if (read_move(command, &move)) {
        try_move(move);
    } else {
        say("I do not understand %s", command);
    }
    return 1;
}

/* Enter without text: picks up the piece at the cursor, or puts it down there. */
static void pick(void) {
    if (picked == NOWHERE && game[now].board[cursor] * game[now].side > 0) {
        picked = cursor;
    } else if (picked != NOWHERE) {
        if (picked != cursor && !ending())
            try_move((struct move){(unsigned char)picked, (unsigned char)cursor, EMPTY});
        picked = NOWHERE;
    }
}

/* Behind the escape that a cursor key begins with: ESC [ A is up. */
static void move_cursor(void) {
    const uint64_t soon = 50 * 1000 * 1000;
    int before = cursor, step = 0;
    if (keyboard_poll(soon) == '[')
        switch (keyboard_poll(soon)) {
        case 'A': step = 16; break;
        case 'B': step = -16; break;
        case 'C': step = 1; break;
        case 'D': step = -1; break;
        }
    if (is_off(cursor + step))
        return;
    cursor += step;
    draw_square(before);
    draw_square(cursor);
}

int main(void) {
    prepare_search();
    set_up(start);
    vga_init();
    draw();
    for (;;) {
        int key = keyboard_getchar();
        size_t length = strlen(typed);
        if (key == RUNTIME_END || key == RUNTIME_INTERRUPTED)
            break;
        if (key == 0x1b) {
            move_cursor();
        } else if (key == '\r' || key == '\n') {
            if (length == 0)
                pick();
            else if (!obey(typed))
                break;
            typed[0] = 0;
            draw();
        } else if ((key == 0x7f || key == '\b') && length > 0) {
            typed[length - 1] = 0;
        } else if (isprint(key) && length + 1 < sizeof typed) {
            typed[length] = (char)key, typed[length + 1] = 0;
        }
        draw_typed();
    }
    vga_init();
    vga_puts("Good bye\n");
    return 0;
}
