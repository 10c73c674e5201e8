# Databases in mapped files: LMDB, and SQLite with a write-ahead log that two processes share. memcached, over its Unix socket.
cd /tmp
mkdir lmdb
seq 1 3000 | sed 's/.*/ key&\n value of &/' | (printf 'VERSION=3\nformat=print\ntype=btree\nmapsize=10485760\nmaxreaders=126\nHEADER=END\n'; cat; printf 'DATA=END\n') > dump
mdb_load -f dump lmdb; echo $?
mdb_stat lmdb | sed 1d
mdb_dump -p lmdb | sha256sum
mkdir copied; mdb_copy -c lmdb copied; mdb_dump -p copied | sha256sum
sqlite3 t.db 'pragma journal_mode=wal; create table t(a integer primary key, b); insert into t select value, hex(value * 7919) from generate_series(1, 500)' 
(sqlite3 -cmd '.timeout 20000' t.db 'begin immediate; update t set b = b || "x"; commit; select count(*) from t' ; echo first) &
(sqlite3 -cmd '.timeout 20000' t.db 'begin immediate; update t set b = b || "x"; commit; select count(*) from t' ; echo first) &
wait
mkfifo in
sqlite3 -batch t.db < in > out1 &
exec 7> in
echo 'select count(*), max(length(b)) from t;' >&7
until grep -q . out1; do sleep 0.05; done
sqlite3 t.db 'insert into t values (1000, "from another process")'
echo 'select b from t where a = 1000; pragma wal_checkpoint; select sum(length(b)) from t;' >&7
exec 7>&-
wait
cat out1
ls t.db*
sqlite3 t.db 'pragma integrity_check'
memcached -u root -s /tmp/memcached.sock -t 4 &
pid=$!
while [ ! -S memcached.sock ]; do sleep 0.05; done
sleep 0.1
printf 'set k 0 0 5\r\nhello\r\nget k\r\nincr n 1\r\nset n 0 0 2\r\n41\r\nincr n 1\r\nquit\r\n' | curl -s --max-time 5 --unix-socket /tmp/memcached.sock telnet://x
kill $pid; wait $pid; echo $?
