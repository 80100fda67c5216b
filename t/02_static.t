#!/usr/bin/perl

# nginx with the module linked in: built from Debian's source package, then a
# table, requests, a hold, the API, metrics and a reload.  Skipped without a
# source, as on a machine without network.

use warnings;
use strict;

use Test::More;
use JSON::PP;

use ShardTest;

my $build;

BEGIN {
    $build = ShardTest::top() . '/build';
    my $output = `bash @{[ ShardTest::top() ]}/compat/static.sh $build 2>&1`;
    my $status = $? >> 8;

    plan(skip_all => $output =~ s/\s+$//r) if $status == 77;

    ok($status == 0, 'nginx is built with the module in it') or do {
        diag($output);
        done_testing();
        exit 1;
    };

    $ENV{SHARD_NGINX} = "$build/static/nginx";
}

my $t = ShardTest->new(shards => 8);

my ($status, $out, $err) = $t->run($ENV{SHARD_NGINX}, '-V');
like("$out$err", qr/--add-module=/, 'it is');
unlike(slurp($ENV{SHARD_NGINX}), qr/ngx_http_shard_module\.so/, 'it loads none');

$t->start_redis();
$t->start_nodes(2);
$t->seed();
$t->start_nginx();

wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 5, 'a table';
is($t->request('PUT', '/kv/a', 'one', 'X-Key' => 'a')->{status}, 204, 'a write');
is($t->get('/kv/a', 'X-Key' => 'a')->{content}, 'one', 'and a read');
is($t->api('')->{version}, $t->version(), 'the API');
like($t->get('/metrics')->{content}, qr/nginx_shard_table_version\{keyspace="orders"\} \d/, 'metrics');

sub phase {
    my ($id, $phase) = @_;

    my $record = $t->shard_record($id);
    my $got = $t->commit("shard:$id", 'shard', $id, encode_json({ %$record, phase => $phase }));
    die "@$got" if $got->[0] ne 'ok';
}

my $id = $t->get('/kv/a', 'X-Key' => 'a')->{headers}{'x-shard-id'};
phase($id, 'held');
wait_for { decode_json($t->redis()->command('HGET', $t->key('routers'), 'edge-1'))->{barriers}{$id}{drained} } 5, 'drained';

my $pid = fork();
die "fork: $!" if !defined $pid;

if (!$pid) {
    my $answer = HTTP::Tiny->new(timeout => 10)->get($t->url('/kv/a'), { headers => { 'X-Key' => 'a' } });
    POSIX::_exit($answer->{status} == 200 && $answer->{headers}{'x-shard-held-ms'} ? 0 : 1);
}

wait_for { $t->api('')->{waiting} == 1 } 5, 'a request waits';
phase($id, 'steady');
waitpid($pid, 0);
is($?, 0, 'held and released');

$t->reload();
is($t->get('/kv/a', 'X-Key' => 'a')->{content}, 'one', 'after a reload');

$t->finish();
done_testing();
