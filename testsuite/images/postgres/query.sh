# Makes a cluster, starts its server, asks it over its Unix socket, and stops it.
export PATH=/usr/lib/postgresql/15/bin:$PATH
cd /tmp
umask 077
initdb -D db -A trust --no-locale -E UTF8 -N > log 2>&1
echo initdb $?
pg_ctl -D db -w -t 200 -l log -o '-k /tmp -c listen_addresses=' start > started
echo start $?
psql() { command psql -X -h /tmp -d postgres "$@"; }
psql -c 'create table t(a int primary key, b text)' -c "insert into t select i, 'row ' || i from generate_series(1, 1000) i" \
    -c 'select count(*), sum(a), max(b) from t where a % 7 = 0' -c 'analyze t' -c 'explain select * from t where a = 5'
psql -c 'select current_user, version()' -c 'select 1 / 0' -c "select to_char(timestamptz '2024-02-29 12:00+00', 'Day YYYY'), md5('x'), 0.1::numeric + 0.2, pi()"
psql -c 'begin; delete from t where a > 10; rollback' -Atc "select string_agg(b, ',' order by a desc) from t where a < 4"
psql -c 'create function f(n int) returns int language plpgsql as $$ begin if n < 2 then return n; end if; return f(n - 1) + f(n - 2); end $$' \
    -c 'select f(10)'
pg_ctl -D db -w -t 200 -m fast stop > stopped
echo stop $?
