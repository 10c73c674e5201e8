int add(int a, int b);
const char *text(void);
