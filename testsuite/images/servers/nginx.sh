# nginx with two workers, asked by curl over the loopback.
cd /tmp
mkdir -p www logs
echo '<h1>hello</h1>' > www/index.html
seq 1 20000 > www/numbers
cat > nginx.conf <<'C'
worker_processes 2;
error_log /tmp/logs/error.log;
pid /tmp/nginx.pid;
events { worker_connections 64; }
http {
    access_log /tmp/logs/access.log;
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    gzip on; gzip_types text/plain; gzip_min_length 100; sendfile on;
    server {
        listen 8080;
        root /tmp/www;
        location /numbers { default_type text/plain; }
        location /proxy/ { proxy_pass http://127.0.0.1:8080/; }
        location /teapot { return 418 "short and stout\n"; }
    }
}
C
nginx -t -c /tmp/nginx.conf 2>&1 | sed 's/^nginx: //'
nginx -c /tmp/nginx.conf
until curl -s http://127.0.0.1:8080/ > /dev/null; do sleep 0.05; done
curl -s http://127.0.0.1:8080/
curl -s http://127.0.0.1:8080/numbers | sha256sum
curl -s --compressed http://127.0.0.1:8080/numbers | sha256sum
curl -s -r 100-120 http://127.0.0.1:8080/numbers; echo
curl -s http://127.0.0.1:8080/proxy/index.html
curl -s -o /dev/null -w '%{http_code} %{size_download}\n' http://127.0.0.1:8080/nothing
curl -s -w '%{http_code}\n' http://127.0.0.1:8080/teapot
curl -sI http://127.0.0.1:8080/ | tr -d '\r' | grep -i '^content-\|^HTTP'
for i in 1 2 3 4 5 6 7 8; do curl -s -o /dev/null http://127.0.0.1:8080/numbers & done; wait
nginx -c /tmp/nginx.conf -s reload 2> /dev/null; sleep 0.3
curl -s http://127.0.0.1:8080/
wc -l < logs/access.log
nginx -c /tmp/nginx.conf -s quit 2> /dev/null
while [ -e nginx.pid ]; do sleep 0.05; done
grep -c 'emerg\|alert' logs/error.log
