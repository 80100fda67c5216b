#!/usr/bin/perl

# shard_scatter: one answer of many shards; how parts are merged, which shards
# are asked, what is refused, and a table larger than a window of parts.

use warnings;
use strict;

use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;
use ShardTest::Scatter;

my $t = ShardTest->new(shards => 8);

$t->start_scatter();

merges();
requests();
keys_of_shards();
limits();
many();
counted();
wide();

$t->finish();
done_testing();


sub ids { return join ' ', map { $_->{shard} } @{ decode_json($_[0]->{content}) } }


sub merges {
    my $got = $t->get('/json/json');

    is($got->{status}, 200, 'an answer');
    is(ids($got), '0 1 2 3 4 5 6 7', 'json: an array in order of shards');
    is($got->{headers}{'content-type'}, 'application/json', 'its type');
    is($got->{headers}{'content-length'}, length $got->{content}, 'its length');
    is($got->{headers}{'x-shard-missing'}, undef, 'nothing is missing');

    $got = $t->get('/object/json');
    is_deeply(decode_json($got->{content}),
              { map { $_ => { shard => $_ } } 0 .. 7 }, 'object: by shard');

    $got = $t->get('/ndjson/lines');
    is($got->{content},
       join('', map { $_ == 2 ? '' : $_ == 5 ? "{\"s\":5}\n"
                      : "{\"s\":$_}\n{\"t\":$_}\n" } 0 .. 7),
       'ndjson: lines of all, empty ones left out');
    is($got->{headers}{'content-type'}, 'application/x-ndjson', 'its type');

    $got = $t->get('/ndjson/pretty');
    is($got->{content}, join('', map { qq({"shard":$_,"a":[1,2]}\n) } 0 .. 7),
       'ndjson: a value becomes a line');

    $got = $t->get('/concat/any');
    is($got->{content}, join('', map { "<$_>" } 0 .. 7), 'concat: in order');
    is($got->{headers}{'content-type'}, 'text/plain', 'the type of all parts');

    $got = $t->get('/json/bad');
    is($got->{status}, 207, 'a part that is no JSON is missing');
    is($got->{headers}{'x-shard-missing'}, 3, 'and named');
    is($got->{headers}{'x-shard-missing-count'}, 1, 'and counted');
    is_deeply(decode_json($got->{content}), [ map { [ $_ ] } 0, 1, 2, 4 .. 7 ],
              'the others are there');
    like($t->error_log(), qr/1 of 8 shards missing, the first: shard 3 is no JSON/,
         'and the log says why');

    is(ids($t->get('/narrow/json')), '0 1 2 3 4 5 6 7', 'two at a time');
    is(length $t->get('/json/big')->{content}, 8 * 4003 + 9, 'large parts');
    is(length $t->get('/unbuffered/big')->{content}, 8 * 4003 + 9,
       'through small buffers, without a file');
}


sub requests {
    my $got = $t->get('/json/headers?a=b%20c', 'Range' => 'bytes=0-1',
                      'If-None-Match' => 'abc', 'Accept-Encoding' => 'gzip',
                      'If-Modified-Since' => 'Thu, 01 Jan 2026 00:00:00 GMT',
                      'X-Test' => 'passed');

    is($got->{status}, 200, 'conditions are not for parts');
    is_deeply(decode_json($got->{content})->[0],
              [ '', 'GET /json/headers?a=b%20c passed ' ],
              'nor are Range and Accept-Encoding; the rest is as it was');

    $got = $t->request('HEAD', '/json/json');
    is("$got->{status} $got->{headers}{'content-length'} "
       . length($got->{content} || ''), '200 97 0', 'HEAD: the header of the answer');

    for my $method (qw/ POST PUT DELETE OPTIONS /) {
        is($t->request($method, '/json/json', 'x')->{status}, 405,
           "$method is refused");
    }

    is($t->request('GET', '/json/json', 'a body')->{status}, 200,
       'a body is dropped');

    $got = $t->get('/passed/', 'Accept-Encoding' => 'gzip');
    is($got->{headers}{'content-encoding'}, 'gzip', 'an own proxy_pass, gzip');
    is_deeply(decode_json($t->get('/passed/?if=1')->{content}),
              { map { $_ => { shard => $_ } } 0 .. 7 }, 'with its URI');
    is($t->request('POST', '/passed/', '')->{status}, 405,
       'limit_except does not lead around it');
    is($t->get('/ssi/')->{content},
       'a[' . join(',', map { qq({"shard":$_}) } 0 .. 7) . ']b', 'out of SSI');
}


sub keys_of_shards {
    my (%key, %at);

    for my $n (1 .. 200) {
        my $id = $t->get('/a/json', 'X-Key' => "key$n")->{headers}{'x-shard-id'};
        $at{"key$n"} = $id;
        push @{ $key{$id} }, "key$n";
    }

    my $got = $t->get('/keys/json?keys=' . join ',', map { $key{$_}[0] } 6, 1, 3);
    is($got->{content}, '{"1":{"shard":1},"3":{"shard":3},"6":{"shard":6}}',
       'keys: their shards, in order');

    $got = $t->get('/keys/json?keys=' . join ',', map { @{ $key{$_} } } 2, 5);
    is($got->{content}, '{"2":{"shard":2},"5":{"shard":5}}', 'each once');

    my $comma = $t->get('/a/json', 'X-Key' => 'a,b')->{headers}{'x-shard-id'};
    is($t->get('/keys/json?keys=a%2cb')->{content},
       qq({"$comma":{"shard":$comma}}), 'a comma in a key');

    is($t->get('/keys/json')->{status}, 400, 'no keys');
    $got = $t->get('/keys/json?keys=%zz');
    is("$got->{status} " . decode_json($got->{content})->{error}{code},
       '400 bad_keys', 'bad keys');
    is(scalar keys %{ decode_json($t->get('/some/json')->{content}) }, 8,
       'to=all: no keys are all shards');
    is($t->get('/some/json?keys=key1')->{content},
       qq({"$at{key1}":{"shard":$at{key1}}}), 'and keys are keys');
}


sub limits {
    my $got = $t->get('/few/json');

    is($got->{status}, 503, 'too many shards');
    like($got->{content}, qr/8 shards are more than 4 at once: give keys/,
         'and what to do');
    is($t->get('/few/json?keys=key1,key2')->{status}, 200, 'fewer');

    $got = $t->get('/small/big');
    is($got->{status}, 207, 'more bytes than may be');
    is($got->{headers}{'x-shard-missing'}, '2,3,4,5,6,7', 'those that did not fit');
    is(scalar @{ decode_json($got->{content}) }, 2, 'those that did');
    like($t->error_log(), qr/shard 2 is beyond "bytes"/, 'and why');
}


sub many {
    my @pids;

    for my $n (1 .. 8) {
        my $pid = fork();
        die "fork: $!\n" if !defined $pid;

        if ($pid == 0) {
            my $http = HTTP::Tiny->new(timeout => 15);
            my $bad = grep { ids($http->get($t->url('/json/json')))
                             ne '0 1 2 3 4 5 6 7' } 1 .. 50;
            POSIX::_exit($bad ? 1 : 0);
        }

        push @pids, $pid;
    }

    my $bad = grep { waitpid $_, 0; $? } @pids;
    is($bad, 0, '400 scatters of eight clients, all whole');
}


# parts are requests of their shard

sub counted {
    my $before = settled('nginx_shard_requests_total');
    $t->get('/json/json') for 1 .. 10;
    wait_for { $t->metric_sum('nginx_shard_requests_total') >= $before + 80 } 5, 'counts of all workers';
    is(settled('nginx_shard_requests_total') - $before, 80, 'parts are counted, scatters are not');
}


# workers add their counts up each second at the latest

sub settled {
    my ($name) = @_;

    my ($since, $n) = (time(), $t->metric_sum($name));

    wait_for {
        my $now = $t->metric_sum($name);

        ($since, $n) = (time(), $now) if $now != $n;
        time() - $since > 1.5;
    } 20, 'counts at rest';

    return $n;
}


# a table that is larger than a window of parts

sub wide {
    my $w = ShardTest->new(shards => 300, name => 'wide');
    my $port = free_port();

    $w->{nodes}{n1} = { name => 'n1', addr => "127.0.0.1:$port", zone => 'z1',
                        capacity => 100 };
    $w->start_redis();
    $w->seed(nodes => [ 'n1' ], silent => 1);

    # and of other kinds

    my @init = ('--node', "n1=127.0.0.1:$port,zone=z1,capacity=100",
                '--driver', 'none');
    $w->ctl('-k', 'units', 'init', '--kind', 'list', '--unit', 'checkout',
            '--unit', 'search,billing,mail', '--default', 'misc', @init);
    $w->ctl('-k', 'numbers', 'init', '--kind', 'range uint64', '--cuts',
            '1000,2000', @init);

    $w->start_nginx(http => <<"CONF", server => <<"SERVER");
shard_table units 4m;
shard_table numbers 4m;
upstream units { shard units key=\$arg_key; }
upstream numbers { shard numbers key=\$arg_key; }
server {
    listen 127.0.0.1:$port backlog=1024;
    location / { return 200 '\$http_x_shard_id'; }
}
CONF
proxy_set_header X-Shard-Id \$shard_id;
location /all/ { shard_scatter orders concurrency=16; }
location /wide/ { shard_scatter orders concurrency=1024 merge=ndjson; }
location /units/ { shard_scatter units keys=\$arg_keys to=all; }
location /numbers/ { shard_scatter numbers keys=\$arg_keys to=all; }
SERVER

    wait_for { $w->get("/$_/")->{status} == 200 } 10, "the table of $_"
        for qw/ all units numbers /;

    my $got = $w->get('/all/');
    is($got->{content}, '[' . join(',', 0 .. 299) . ']',
       '300 shards, sixteen at a time');
    $got = $w->get('/wide/');
    is($got->{content}, join('', map { "$_\n" } 0 .. 299), 'all at once');

    my $all = join ' ', sort @{ decode_json($w->get('/units/')->{content}) };
    is($all, '0 1 2', 'a list: each shard once, whatever its units');

    for my $case ([ 'units', 'mail,search,billing', '200 [1]' ],
                  [ 'units', 'nobody,misc', '200 [2]' ],
                  [ 'numbers', '', '200 [0,1,2]' ],
                  [ 'numbers', '5000,2000,007,999', '200 [0,2]' ],
                  [ 'numbers', '1,x', '400' ])
    {
        my ($keyspace, $keys, $expected) = @$case;

        $got = $w->get("/$keyspace/?keys=$keys");
        $got->{content} = '' if $got->{status} == 400;
        is("$got->{status} $got->{content}" =~ s/ $//r, $expected,
           "keys of $keyspace: $keys");
    }

    $w->finish('wide: logs are clean');
}
