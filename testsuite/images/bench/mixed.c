/* The kinds of work that CoreMark mixes, written afresh: a linked list searched and sorted, small integer matrices, a state machine
 * over text, and a CRC over all results. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t crc(uint16_t sum, uint32_t data) {
    for (int i = 0; i < 32; i++, data >>= 1) {
        int carry = (data ^ sum) & 1;
        sum >>= 1;
        if (carry) sum ^= 0xa001;
    }
    return sum;
}

struct node {
    struct node *next;
    int16_t key, value;
};

static struct node *merge_sort(struct node *list, int by_value) {
    if (!list || !list->next) return list;
    struct node *slow = list, *fast = list->next;
    while (fast && fast->next) slow = slow->next, fast = fast->next->next;
    struct node *right = slow->next, head, *tail = &head;
    slow->next = 0;
    list = merge_sort(list, by_value);
    right = merge_sort(right, by_value);
    while (list && right) {
        int left_first = by_value ? list->value <= right->value : list->key <= right->key;
        struct node **from = left_first ? &list : &right;
        tail = tail->next = *from;
        *from = (*from)->next;
    }
    tail->next = list ? list : right;
    return head.next;
}

static uint16_t lists(uint32_t seed) {
    static struct node pool[256];
    for (int i = 0; i < 256; i++) {
        seed = seed * 1103515245 + 12345;
        pool[i] = (struct node){i < 255 ? &pool[i + 1] : 0, seed >> 16, seed >> 8};
    }
    struct node *list = merge_sort(pool, 0);
    uint16_t sum = 0;
    for (int k = 0; k < 64; k++) {
        struct node *n = list;
        while (n && (n->key & 63) != k) n = n->next;
        sum = crc(sum, n ? n->value : k);
    }
    list = merge_sort(list, 1);
    for (struct node *n = list; n; n = n->next) sum ^= n->key;
    return crc(sum, list->value);
}

static uint16_t matrices(int seed) {
    enum { N = 24 };
    static int16_t a[N][N], b[N][N];
    static int32_t c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = seed + i * j, b[i][j] = seed - i + 3 * j;
    uint16_t sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int32_t s = 0;
            for (int k = 0; k < N; k++) s += a[i][k] * b[k][j];
            c[i][j] = s;
            if (s > 2000) sum += 7;
            else sum ^= s;
        }
    return crc(sum, c[N / 2][N / 3]);
}

enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, BAD, STATES };

static uint16_t machine(const char *text) {
    int count[STATES] = {0};
    while (*text) {
        enum state s = START;
        for (; *text && *text != ','; text++) {
            char c = *text;
            int digit = c >= '0' && c <= '9';
            switch (s) {
            case START: s = digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : BAD; break;
            case SIGN: s = digit ? INTEGER : c == '.' ? POINT : BAD; break;
            case INTEGER: s = digit ? INTEGER : c == '.' ? POINT : c == 'e' ? EXPONENT : BAD; break;
            case POINT: s = digit ? FRACTION : BAD; break;
            case FRACTION: s = digit ? FRACTION : c == 'e' ? EXPONENT : BAD; break;
            case EXPONENT: s = digit || c == '-' ? EXPONENT : BAD; break;
            default: break;
            }
            count[s]++;
        }
        if (*text) text++;
    }
    uint16_t sum = 0;
    for (int i = 0; i < STATES; i++) sum = crc(sum, count[i]);
    return sum;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 12000;
    uint16_t sum = 0;
    for (int i = 0; i < rounds; i++) {
        sum = crc(sum, lists(i));
        sum = crc(sum, matrices(i & 31));
        sum = crc(sum, machine("5012,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e3,-.123e-2,-87e832,+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z"));
    }
    printf("%04x\n", sum);
    return 0;
}
