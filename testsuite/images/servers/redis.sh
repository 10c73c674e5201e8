# A Redis server: its data structures, a transaction, scripts, publishing, and a snapshot by fork.
cd /tmp
redis-server --port 0 --unixsocket /tmp/redis.sock --dir /tmp --save '' --daemonize no > log 2>&1 &
cli() { redis-cli -s /tmp/redis.sock "$@"; }
until cli ping > /dev/null 2>&1; do sleep 0.05; done
cli ping
cli set greeting "hello, world"
cli get greeting
cli incrbyfloat pi 3.14159
cli rpush list a b c d; cli lrange list 1 -1
cli hset h f1 v1 f2 v2; cli hgetall h
cli zadd z 1 one 2 two 3 three; cli zrangebyscore z 2 +inf withscores
cli psetex soon 200 gone; cli pexpire greeting 500499; cli ttl greeting
cli geoadd places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania; cli geodist places Palermo Catania km
cli pfadd hll a b c d e f; cli pfcount hll
cli xadd stream '1-1' k v; cli xrange stream - +
cli eval 'local s = 0; for i = 1, tonumber(ARGV[1]) do s = s + i end; return {s, redis.call("get", KEYS[1])}' 1 greeting 1000
printf 'multi\nincr n\nincr n\nexec\n' | cli
sleep 0.5; cli exists soon
seq 1 2000 | sed 's/.*/set key:& value&/' | cli --pipe
cli dbsize
cli nothing
cli bgsave
until [ "$(cli info persistence | tr -d '\r' | sed -n 's/^rdb_bgsave_in_progress://p')" = 0 ]; do sleep 0.05; done
cli info persistence | tr -d '\r' | grep bgsave_status
redis-check-rdb dump.rdb | grep -c 'RDB looks OK'
redis-cli -s /tmp/redis.sock --csv subscribe channel > heard &
subscriber=$!
until [ "$(cli publish channel message)" = 1 ]; do sleep 0.05; done
until grep -q message heard; do sleep 0.05; done
kill $subscriber
cat heard
redis-benchmark -s /tmp/redis.sock -n 2000 -c 20 -q -t set,get | tr '\r' '\n' | grep -c 'requests per second'
cli shutdown nosave
wait; echo $?
