/**
 * Tells nps-loop of each answer to this form, also of answers that are changed later.
 *
 * Script properties: `address`, https://<intake>/v1/sources/<tenant>/<name>, and `token`, the secret of that source.
 * Run `install` once.
 */

const TRIES = 5;

function install() {
  ScriptApp.newTrigger('onAnswer').forForm(FormApp.getActiveForm()).onFormSubmit().create();
}

function onAnswer(event) {
  const response = event.response;
  send({
    form_id: event.source.getId(),
    response_id: response.getId(),
    submitted_at: response.getTimestamp().toISOString(),
    sent_at: new Date().toISOString(),
    email: response.getRespondentEmail() || null,
    answers: response.getItemResponses().map((each) => ({
      title: each.getItem().getTitle(),
      value: each.getResponse(),
    })),
  });
}

/** Tries again while nothing can be accepted, after 1, 2, 4 and 8 seconds; then fails, and Google tells the owner. */
function send(answer) {
  const settings = PropertiesService.getScriptProperties();
  const request = {
    method: 'post',
    contentType: 'application/json',
    headers: {Authorization: 'Bearer ' + settings.getProperty('token')},
    payload: JSON.stringify(answer),
    muteHttpExceptions: true,
  };
  for (let tried = 1; ; tried++) {
    const status = UrlFetchApp.fetch(settings.getProperty('address'), request).getResponseCode();
    if (status < 300) return;
    const passing = status === 429 || status >= 500;
    if (!passing || tried === TRIES) throw new Error('nps-loop answered ' + status);
    Utilities.sleep(1000 * 2 ** (tried - 1));
  }
}
