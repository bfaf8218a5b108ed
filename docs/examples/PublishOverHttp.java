// Publishes one answer over HTTP, with nothing but a JDK 17 or later: java PublishOverHttp.java
// NPS_API_KEY is the key that `make run` prints.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

class PublishOverHttp {
    public static void main(String[] arguments) throws Exception {
        var address = System.getenv().getOrDefault("NPS_INTAKE_URL", "http://127.0.0.1:8081");
        // response_id is your own id: sent twice, it is counted once
        var answer = """
            {"response_id": "order-4715", "score": 2, "channel": "phone", "email": "you@example.org",
             "comment": "Still waiting for the part."}""";
        var request = HttpRequest.newBuilder(URI.create(address + "/v1/responses"))
            .header("Authorization", "Bearer " + System.getenv("NPS_API_KEY"))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", "order-4715")
            .POST(BodyPublishers.ofString(answer))
            .build();
        var accepted = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        System.out.println(accepted.statusCode() + " " + accepted.body());
        if (accepted.statusCode() != 202) {
            System.exit(1); // problem+json: errors names each field
        }
    }
}
